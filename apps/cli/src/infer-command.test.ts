import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code, ConnectError } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { BadRequestSchema, ErrorInfoSchema, Predict } from '@inferflow/proto';
import { createLogger, createServer, readEnvironment, type Server } from '@inferflow/server';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { CommandIo } from './command-io.js';
import { createInferCommand } from './infer-command.js';

const expression = (component: string, scoreColumn: string, text: string, mapping: Readonly<Record<string, string>>, isSlate: boolean) => ({
  component,
  component_id: 'film',
  score_col: scoreColumn,
  data_type: 'DataTypeFP32',
  expression: text,
  score_mapping: mapping,
  ...(isSlate && { slate_component: true }),
});
const model = {
  request_values: 'typed',
  dag_execution_config: { component_dependency: { sum: ['feature_initializer'], both: ['sum'] } },
  component_config: {
    numerix_components: [
      expression('sum', 'total', 'a b +', { 'a@DataTypeFP32': 'stars', 'b@DataTypeFP32': 'bonus' }, false),
      expression('both', 'evening', 'x 2 *', { 'x@DataTypeFP32': 'total' }, true),
    ],
  },
  response_config: { features: ['film', 'total', 'evening'] },
};

let folder: string;
let server: Server;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'inferflow-infer-'));
  mkdirSync(join(folder, 'models'));
  writeFileSync(join(folder, 'models', 'films.json'), JSON.stringify(model));
  writeFileSync(join(folder, 'callers'), `cli ${createHash('sha256').update('word').digest('hex')}\n`);
  const environment = readEnvironment({
    APP_PORT: '0',
    INFERFLOW_HOST: '127.0.0.1',
    INFERFLOW_CONFIG_DIR: folder,
    INFERFLOW_AUTH_FILE: join(folder, 'callers'),
    INFERFLOW_SHUTDOWN_GRACE_MS: '100',
  });
  server = await createServer(environment, createLogger('DISABLED', 'test'));
});
afterAll(async () => {
  await server.shutdown();
  rmSync(folder, { recursive: true, force: true });
});

async function run(
  args: readonly string[],
  stdin = '',
  caller: readonly string[] = ['--caller-id', 'cli', '--token', 'word'],
): Promise<{ out: string; error: string; exitCode: number }> {
  let out = '';
  let failure = '';
  let exitCode = 0;
  const io: CommandIo = {
    readStdin: async () => stdin,
    out: (text) => {
      out += text;
    },
    error: (text) => {
      failure += text;
    },
    exitWith: (code) => {
      exitCode = code;
    },
  };
  const common = ['-s', `127.0.0.1:${server.port}`, ...caller];
  await createInferCommand(io)
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .parseAsync([...common, ...args], { from: 'user' });
  return { out, error: failure, exitCode };
}

async function infer(args: readonly string[], stdin = '', caller?: readonly string[]): Promise<string> {
  const { out, error, exitCode } = await run(args, stdin, caller);
  if (exitCode !== 0) throw new Error(error);
  return out;
}

const targets = [
  { id: 'low', features: { stars: 1 } },
  { id: 'high', features: { stars: 5 } },
];
const request = { modelConfigId: 'films', targets, context: { bonus: 10 } };

describe('inferflow infer', () => {
  it('prints the rows of a file as a table, best first', async () => {
    const file = join(folder, 'request.json');
    writeFileSync(file, JSON.stringify(request));
    const lines = (await infer([file]))
      .trimEnd()
      .split('\n')
      .map((line) => line.trim().split(/\s+/));
    expect(lines[0]).toEqual(['film', 'total', 'evening']);
    expect(lines.slice(-2).map(([film, total]) => [film, total])).toEqual([
      ['high', '15'],
      ['low', '11'],
    ]);
  });

  it('prints JSON, with quality', async () => {
    const answer = JSON.parse(await infer(['-', '-f', 'json'], JSON.stringify(request)));
    expect(answer.targets.map(({ values }: { values: { total: number } }) => values.total)).toEqual([11, 15]);
    expect(answer.quality.components).toEqual([
      expect.objectContaining({ name: 'sum', status: 'ok' }),
      expect.objectContaining({ name: 'both', status: 'skipped' }),
    ]);
  });

  it('sends a message of the protocol as it is, in either spelling of its names', async () => {
    const float = (value: number) => Buffer.from(Float32Array.of(value).buffer).toString('base64');
    const schema = { name: 'stars', data_type: 'DataTypeFP32' };
    const wire = {
      model_config_id: 'films',
      context_features: [{ name: 'bonus', data_type: 'DataTypeFP32', value: float(10) }],
      target_input_schema: [schema],
      targets: [
        { id: 'low', feature_values: [float(1)] },
        { id: 'high', feature_values: [float(5)] },
      ],
    };
    expect(await infer(['-'], JSON.stringify(wire))).toMatch(/high +15[\s\S]*low +11/);
    const pairs = [{ firstTargetIndex: 1, secondTargetIndex: 0 }];
    expect(await infer(['-'], JSON.stringify({ ...wire, pairs }))).toMatch(/1, 0 +/);
    const slates = [{ targetIndices: [1, 0] }];
    expect(await infer(['-'], JSON.stringify({ ...wire, slates }))).toMatch(/1, 0 +30/);
    const feature = (name: string, ...values: string[]) => ({ name, ids_feature_value: values });
    const entities = [{ entity: 'film', ids: ['a', 'b'], features: [feature('stars', '1', '2'), feature('bonus', '1', '1')] }];
    expect(await infer(['-', '-m', 'films'], JSON.stringify({ entities }))).toMatch(/b +3/);
    await expect(infer(['-'], JSON.stringify({ ...wire, nobody: 1 }))).rejects.toThrow(/no message of the protocol.*"nobody"/);
    await expect(infer(['-', '-t', 'x'], JSON.stringify(wire))).rejects.toThrow('--targets');
  });

  it('takes model, targets and context from flags, over those of the file', async () => {
    const out = await infer(['-', '-m', 'films', '-t', 'x, y', '-c', 'bonus=2'], JSON.stringify({ ...request, modelConfigId: 'nobody' }));
    expect(out).toMatch(/x +2/);
    expect(out).not.toContain('high');
    expect(await infer(['-m', 'films', '-t', 'z', '-c', 'bonus=1', '-c', 'stars=3'])).toMatch(/z +4/);
  });

  it('says below the table what the scores do not rest on', async () => {
    const out = await infer(['-m', 'films', '-t', 'x,y', '-c', 'stars=3']);
    expect(out).toContain('! sum: 2 inputs without a value, filled with the default of the type');
    expect(await infer(['-m', 'films', '-t', 'x', '-c', 'bonus=1', '-c', 'stars=3'])).not.toContain('!');
  });

  it('sends pairs and slates with their own tables', async () => {
    const pairs = await infer(['-'], JSON.stringify({ ...request, pairs: [{ first: 0, second: 1 }] }));
    expect(pairs).toMatch(/high +15[\s\S]*0, 1 +22/);
    const slates = await infer(['-'], JSON.stringify({ ...request, slates: [{ targetIndices: [1, 0] }, { targetIndices: [0] }] }));
    expect(slates).toMatch(/1, 0 +30[\s\S]*0 +22/);
  });

  it('sends entities with RetrieveModelScore', async () => {
    const entities = [{ entity: 'film', ids: ['p', 'q'], features: { stars: ['1', '2'], bonus: ['0', '0'] } }];
    const out = await infer(['-'], JSON.stringify({ modelConfigId: 'films', entities }));
    expect(out).toMatch(/q +2[\s\S]*p +1/);
  });

  describe('failures and flags of one call', () => {
    const seen: Record<string, string | string[] | undefined>[] = [];
    let slow: Http2Server;
    let port = 0;
    beforeAll(async () => {
      // Answers a moment after the deadline it was told, as a server under load may.
      slow = createHttp2Server(
        connectNodeAdapter({
          routes: (router) =>
            router.service(Predict, {
              async inferPointWise(message, context) {
                seen.push(Object.fromEntries(context.requestHeader));
                const remaining = context.timeoutMs();
                if (remaining !== undefined) await new Promise((resolve) => setTimeout(resolve, remaining + 20));
                const details = [
                  { desc: ErrorInfoSchema, value: { reason: 'INFERFLOW_ENGINE_INVALID_REQUEST', domain: 'inferflow' } },
                  {
                    desc: BadRequestSchema,
                    value: { fieldViolations: [1, 2].map((n) => ({ field: `targets[${n}].id`, description: 'is odd' })) },
                  },
                ];
                throw new ConnectError(
                  `no film ${message.trackingId}`,
                  remaining === undefined ? Code.InvalidArgument : Code.DeadlineExceeded,
                  undefined,
                  details,
                );
              },
            }),
        }),
      );
      await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
      port = (slow.address() as AddressInfo).port;
    });
    afterAll(() => slow.close());
    const ask = (...args: string[]) => run(['-m', 'films', '-t', 'x', '-s', `127.0.0.1:${port}`, ...args]);

    it('tells no deadline unless asked to, so that the model’s holds', async () => {
      await ask();
      expect(seen.at(-1)).not.toHaveProperty('grpc-timeout');
    });

    it('waits for the server’s own word about a deadline', async () => {
      const { error, exitCode } = await ask('--deadline-ms', '150');
      expect(Number.parseInt(String(seen.at(-1)!['grpc-timeout']), 10)).toBeLessThanOrEqual(150);
      expect(error).toContain('InferPointWise did not answer in time: no film');
      expect(error).toContain('code: DEADLINE_EXCEEDED');
      expect(error).toContain('--deadline-ms');
      expect(exitCode).toBe(1);
    });

    it('names code and every place of a refused request, for people and for programs', async () => {
      const { error } = await ask('--tracking-id', 'trace-1');
      expect(error).toBe(
        [
          'inferflow: InferPointWise failed with InvalidArgument: no film trace-1',
          '  targets[1].id: is odd',
          '  targets[2].id: is odd',
          '  code: INVALID_ARGUMENT, INFERFLOW_ENGINE_INVALID_REQUEST',
          '  tracking id: trace-1\n',
        ].join('\n'),
      );
      const json = await ask('--json');
      expect([json.exitCode, json.error]).toEqual([1, '']);
      expect(JSON.parse(json.out).error).toMatchObject({
        grpcCode: 3,
        grpcStatus: 'INVALID_ARGUMENT',
        reason: 'INFERFLOW_ENGINE_INVALID_REQUEST',
        problems: [{ path: 'targets[1].id' }, { path: 'targets[2].id' }],
      });
    });

    it('sends headers, the user and who calls', async () => {
      await ask('-H', 'x-tier=gold', '--header', 'X-Tier=a=b', '--user-id', 'u7');
      expect(seen.at(-1)).toMatchObject({
        'x-tier': 'gold, a=b',
        'user-id': 'u7',
        'inferflow-caller-id': 'cli',
        'inferflow-auth-token': 'word',
      });
    });
  });

  it('takes the caller and its token from the environment', async () => {
    vi.stubEnv('INFERFLOW_CALLER_ID', 'cli');
    vi.stubEnv('INFERFLOW_CLIENT_V1_AUTH_TOKEN', 'word');
    try {
      expect(await infer(['-m', 'films', '-t', 'z', '-c', 'bonus=1', '-c', 'stars=3'], '', [])).toMatch(/z +4/);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it.each([
    [['-'], JSON.stringify({ ...request, contxt: {}, targetTypes: {} }), /no member "contxt"; it takes .*contextTypes/],
    [['-'], JSON.stringify({ modelConfigId: 'films', targets, contextFeatures: [] }), /no message of the protocol: .*"features"/],
    [
      ['-'],
      JSON.stringify({
        ...request,
        targets: [
          { id: 'a', fetures: {} },
          { id: 'b', x: 1 },
        ],
      }),
      /targets\[0\] has no member "fetures".*targets\[1\]/,
    ],
    [['-'], JSON.stringify({ ...request, targets: [null] }), /targets\[0\] must be an object/],
    [['-'], JSON.stringify({ ...request, targets: 'x' }), /targets must be a list/],
    [['-m', 'films', '-t', 'a,,b'], '', /empty id/],
    [['-m', 'films', '-t', 'x', '-c', 'stars=1', '--sort', 'totl'], '', /--sort totl: the answer has no such column; it has film, total/],
    [['-t', 'x'], '', /no model/],
    [['-m', 'films'], '', /nothing to score/],
    [['-'], 'not json', /standard input is not JSON/],
    [['-'], '[1]', /must be a JSON object/],
    [['/no/such/file.json'], '', /\/no\/such\/file\.json cannot be read: .*no such file/],
    [['-m', 'films', '-t', 'x', '--ca', '/no/such/ca.pem'], '', /\/no\/such\/ca\.pem cannot be read/],
    [['-m', 'nobody', '-t', 'x'], '', /model config not found or invalid for id: nobody/],
    [['-m', 'films', '-t', 'x', '--token', 'wrong'], '', /missing or wrong/],
    [['-m', 'films', '-t', 'x', '-s', 'a:b:c'], '', /expected host:port/],
    [['-m', 'films', '-t', 'x', '-c', 'bonus'], '', /name=value/],
    [['-m', 'films', '-t', 'x', '--deadline', '0'], '', /above 0/],
    [['-m', 'films', '-t', 'x', '-s', '127.0.0.1:1'], '', /127\.0\.0\.1:1|connect|unavailable/i],
  ])('says what is wrong with %j', async (args, stdin, message) => {
    await expect(infer(args, stdin)).rejects.toThrow(message);
  });
});
