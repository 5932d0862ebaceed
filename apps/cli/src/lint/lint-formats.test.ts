import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code, ConnectError } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { GRPCInferenceService } from '@inferflow/proto';
import { Ajv } from 'ajv';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLintCommand } from '../lint-command.js';

let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inferflow-lint-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function lint(...args: readonly string[]) {
  const result = { out: '', error: '', code: -1 };
  const command = createLintCommand({
    readStdin: async () => '',
    out: (text) => {
      result.out += text;
    },
    error: (text) => {
      result.error += text;
    },
    exitWith: (code) => {
      result.code = code;
    },
  });
  await command.parseAsync([...args], { from: 'user' });
  return result;
}

const yaml = (
  fields: { readonly type?: string; readonly endpoint?: string; readonly shape?: string; readonly name?: string } = {},
): string => `
dag_execution_config:
  component_dependency: {feature_initializer: [film], film: [rating], rating: []}
component_config:
  feature_component_config:
    film:
      fs_keys: {schema: [film_id], col: film_id}
      fs_request:
        entity_label: film
        feature_groups:
          - label: release
            data_type: ${fields.type ?? 'FP32'}
            feature_labels: [${fields.name ?? 'year'}]
  predator_component_config:
    rating:
      model_name: movie
      model_endpoint: ${fields.endpoint ?? 'local'}
      inputs: {tensors: [{name: x, features: ['film:release:${fields.name ?? 'year'}'], shape: ${fields.shape ?? '[1]'}, data_type: FP32}]}
      outputs: {tensors: [{name: y, scores: [{name: score}]}]}
response_config: {features: [film_id, 'rating:score']}
`;

async function file(name: string, content: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

interface Found {
  readonly severity: string;
  readonly code: string;
  readonly path: string;
  readonly line: number;
  readonly column: number;
}

async function problems(...args: readonly string[]): Promise<readonly Found[]> {
  const { out } = await lint(...args, '--format', 'json');
  return (JSON.parse(out) as { readonly models: readonly { readonly problems: readonly Found[] }[] }).models.flatMap(
    (model) => model.problems,
  );
}

describe('inferflow lint, formats', () => {
  it('says line and column in every format', async () => {
    const path = await file('broken.yaml', yaml({ shape: '[2]' }));
    const human = await lint(path);
    expect(human.code).toBe(1);
    expect(human.out).toContain(`(${path}:18:69)`);
    const github = await lint(path, '--format', 'github');
    expect(github.out).toMatch(
      /^::error file=.*broken\.yaml,line=18,col=69,endLine=18,endColumn=74,title=INFERFLOW_CONFIG_SHAPE_MISMATCH::broken: input tensor/m,
    );
    expect(await problems(path)).toMatchObject([{ code: 'INFERFLOW_CONFIG_SHAPE_MISMATCH', line: 18, column: 69 }]);
  });

  it('escapes what would end a workflow command early', async () => {
    const path = await file('a,b:c%.json', JSON.stringify({ dag_execution_config: 'x\n' }));
    const { out } = await lint(path, '--format', 'github');
    expect(out).toContain('file=');
    expect(out).toContain('a%2Cb%3Ac%25.json,line=1');
    for (const line of out.trimEnd().split('\n')) expect(line).toMatch(/^::(error|warning|notice) /);
  });

  it('writes SARIF 2.1.0 with rules and regions', async () => {
    const path = await file('broken.yaml', yaml({ shape: '[2]' }));
    const { out, code } = await lint(path, '--format', 'sarif');
    expect(code).toBe(1);
    const log = JSON.parse(out);
    expect(log.version).toBe('2.1.0');
    const [run] = log.runs;
    expect(run.columnKind).toBe('utf16CodeUnits');
    for (const result of run.results) {
      expect(run.tool.driver.rules[result.ruleIndex].id).toBe(result.ruleId);
      expect(['error', 'warning', 'note']).toContain(result.level);
    }
    expect(run.results[0]).toMatchObject({
      ruleId: 'INFERFLOW_CONFIG_SHAPE_MISMATCH',
      level: 'error',
      locations: [
        {
          physicalLocation: { region: { startLine: 18, startColumn: 69, endLine: 18, endColumn: 74 } },
          logicalLocations: [{ fullyQualifiedName: '$.component_config.predator_component_config.rating.inputs.tensors[0].shape' }],
        },
      ],
    });
    expect(run.results[0].locations[0].physicalLocation.artifactLocation.uri).toMatch(/^file:\/\/.*broken\.yaml$/);
  });

  it('writes only what the schema of SARIF 2.1.0 allows', async () => {
    await file('broken.yaml', yaml({ shape: '[2]' }));
    await file('torn.json', '{');
    await file('typo.yaml', yaml().replace('score}]', 'score}], nmae: 1'));
    const { out } = await lint(directory, '--format', 'sarif');
    const text = { type: 'object', required: ['text'], properties: { text: { type: 'string' } }, additionalProperties: false };
    const level = { enum: ['none', 'note', 'warning', 'error'] };
    const line = { type: 'integer', minimum: 1 };
    const object = (properties: object, required: readonly string[] = Object.keys(properties)) => ({
      type: 'object',
      properties,
      required,
      additionalProperties: false,
    });
    const rule = object({ id: { type: 'string' }, shortDescription: text, help: text, defaultConfiguration: object({ level }) });
    const physicalLocation = object(
      {
        artifactLocation: object({ uri: { type: 'string', format: 'uri-reference' } }),
        region: object({ startLine: line, startColumn: line, endLine: line, endColumn: line }),
      },
      ['artifactLocation'],
    );
    const location = object(
      {
        physicalLocation,
        logicalLocations: { type: 'array', uniqueItems: true, items: object({ fullyQualifiedName: { type: 'string' } }) },
      },
      [],
    );
    const result = object(
      {
        ruleId: { type: 'string' },
        ruleIndex: { type: 'integer', minimum: 0 },
        level,
        message: text,
        locations: { type: 'array', items: location },
        partialFingerprints: { type: 'object', additionalProperties: { type: 'string' } },
        properties: { type: 'object' },
      },
      ['ruleId', 'message'],
    );
    const driver = object({
      name: { type: 'string' },
      semanticVersion: { type: 'string' },
      rules: { type: 'array', uniqueItems: true, items: rule },
    });
    const run = object({
      tool: object({ driver }),
      columnKind: { enum: ['utf16CodeUnits', 'unicodeCodePoints'] },
      results: { type: 'array', items: result },
    });
    // The part of the official schema that concerns what is written here.
    const validate = new Ajv({ validateFormats: false }).compile(
      object({ $schema: { type: 'string' }, version: { const: '2.1.0' }, runs: { type: 'array', items: run } }),
    );
    validate(JSON.parse(out));
    expect(validate.errors).toBeNull();
    expect(JSON.parse(out).runs[0].results.length).toBeGreaterThan(2);
  });

  it('finds its way in a file of several models and to a syntax error', async () => {
    const good = `one:${yaml().replaceAll('\n', '\n  ')}\n`;
    const bad = `two:${yaml({ type: 'FP31' }).replaceAll('\n', '\n  ')}\n`;
    const path = await file('all.yaml', good + bad);
    const [problem] = await problems(path);
    expect(problem).toMatchObject({ code: 'INFERFLOW_CONFIG_UNKNOWN_DATA_TYPE' });
    expect((good + bad).split('\n')[(problem?.line ?? 0) - 1]).toContain('FP31');
    expect(await problems(await file('torn.json', '{\n  "a": 1,\n}'))).toMatchObject([
      { code: 'INFERFLOW_CONFIG_SYNTAX', line: 3, column: 1 },
    ]);
  });

  it('exits with 1 for what is worse than --max-level', async () => {
    const path = await file('typo.yaml', yaml().replace("'rating:score'", "'rating:scores'"));
    expect((await problems(path)).map(({ severity }) => severity)).toContain('warning');
    expect((await lint(path)).code).toBe(0);
    expect((await lint(path, '--max-level', 'hint')).code).toBe(1);
    const broken = await file('broken.yaml', yaml({ shape: '[2]' }));
    expect((await lint(broken, '--max-level', 'error')).code).toBe(0);
    const hint = await file('hint.yaml', yaml().replace('[film_id, ', '[film_id, shelf, '));
    expect((await lint(hint)).code).toBe(0);
    expect((await lint(hint, '--max-level', 'none')).code).toBe(1);
  });

  it('estimates what a request costs', async () => {
    const path = await file('good.yaml', yaml());
    expect((await lint(path, '--targets', '120')).out).toContain(
      'a request of 120 targets makes at most 4 upstream calls, asks for 120 keys and sends 120 rows',
    );
    const { out } = await lint(path, '--format', 'json');
    expect(JSON.parse(out).models[0].cost).toMatchObject({ targets: 100, calls: 3, keys: 100, rows: 100 });
  });
});

describe('inferflow lint --features', () => {
  const registry = `
entities:
  film:
    keys: [film_id]
    feature_groups:
      release: {data_type: FP32, features: [year, month]}
      text: {features: {title: String, plot: {data_type: FP32Vector, width: 8}}}
`;

  it('holds entities, groups, features, types and keys against the registry', async () => {
    const features = await file('features.yaml', registry);
    const check = async (text: string): Promise<readonly Found[]> => problems(await file('m.yaml', text), '--features', features);
    expect(await check(yaml())).toEqual([]);
    expect(await check(yaml({ name: 'yaer' }))).toMatchObject([
      {
        severity: 'error',
        code: 'INFERFLOW_CONFIG_UNKNOWN_FEATURE',
        path: '$.component_config.feature_component_config.film.fs_request.feature_groups[0].feature_labels[0]',
        suggestion: 'year',
        line: 13,
      },
    ]);
    expect(await check(yaml({ type: 'Int32' }))).toMatchObject([
      { code: 'INFERFLOW_CONFIG_FEATURE_TYPE', found: 'DataTypeInt32', expected: 'DataTypeFP32', line: 12 },
    ]);
    expect(await check(yaml().replace('entity_label: film', 'entity_label: films'))).toContainEqual(
      expect.objectContaining({ code: 'INFERFLOW_CONFIG_UNKNOWN_FEATURE', suggestion: 'film', line: 9 }),
    );
    expect(await check(yaml().replace('schema: [film_id]', 'schema: [id]'))).toMatchObject([
      { code: 'INFERFLOW_CONFIG_KEY_SCHEMA', found: 'id', expected: 'film_id', line: 7 },
    ]);
  });

  it('knows the width of vectors in tensors', async () => {
    const features = await file('features.yaml', registry.replace('[year, month]', '{year: {data_type: FP32Vector, width: 4}}'));
    const wide = yaml({ type: 'FP32Vector', shape: '[3]' });
    expect(await problems(await file('m.yaml', wide))).toEqual([]);
    expect(await problems(await file('m.yaml', wide), '--features', features)).toMatchObject([
      { code: 'INFERFLOW_CONFIG_SHAPE_MISMATCH', found: '4 values', expected: '3 values' },
    ]);
  });

  it('reports what is wrong with the registry itself', async () => {
    const features = await file('features.yaml', registry.replace('FP32,', 'FP31,'));
    const { out, code } = await lint(await file('m.yaml', yaml()), '--features', features);
    expect(code).toBe(1);
    expect(out).toContain(`(${features}:6:`);
    expect((await lint(directory, '--features', join(directory, 'absent.yaml'))).code).toBe(2);
  });
});

describe('inferflow lint --probe', () => {
  let server: Http2Server | null = null;

  afterEach(async () => {
    await new Promise<void>((resolve) => (server === null ? resolve() : server.close(() => resolve())));
    server = null;
  });

  /** A model server with one model, which takes this input. */
  async function serve(
    input: { readonly datatype?: string; readonly shape?: readonly bigint[]; readonly name?: string },
    ready = true,
  ): Promise<string> {
    const tensor = { name: input.name ?? 'x', datatype: input.datatype ?? 'FP32', shape: [...(input.shape ?? [-1n, 1n])] };
    server = createServer(
      connectNodeAdapter({
        routes: (router) =>
          router.service(GRPCInferenceService, {
            serverReady: () => ({ ready }),
            modelMetadata: ({ name }) => {
              if (name !== 'movie') throw new ConnectError(`unknown model ${name}`, Code.NotFound);
              return {
                name,
                versions: ['1', '2'],
                platform: 'test',
                inputs: [tensor],
                outputs: [{ name: 'y', datatype: 'FP32', shape: [-1n, 1n] }],
              };
            },
          }),
      }),
    );
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('accepts what the model server takes', async () => {
    const endpoint = await serve({});
    expect(await problems(await file('m.yaml', yaml({ endpoint })), '--probe')).toEqual([]);
  });

  it.each([
    ['another type', { datatype: 'INT64' }],
    ['another shape', { shape: [-1n, 3n] }],
    ['another name', { name: 'z' }],
  ])('refuses %s', async (_, input) => {
    const endpoint = await serve(input);
    // The endpoint given stands for the one in the config.
    const found = await problems(await file('m.yaml', yaml({ endpoint: 'models.example' })), '--probe', endpoint);
    expect(found[0]).toMatchObject({ severity: 'error', code: 'INFERFLOW_CONFIG_UPSTREAM_MISMATCH', line: 18 });
    expect(found[0]?.path).toMatch(/\.inputs\.tensors\[0\]\.(name|shape|data_type)$/);
  });

  it('refuses a model that the server does not have, and warns of a version it does not list', async () => {
    const endpoint = await serve({});
    const text = yaml({ endpoint });
    expect(await problems(await file('m.yaml', text.replace('model_name: movie', 'model_name: movies')), '--probe')).toMatchObject([
      { severity: 'error', code: 'INFERFLOW_CONFIG_UNKNOWN_MODEL', found: 'movies', line: 16 },
    ]);
    expect(
      await problems(await file('m.yaml', text.replace('model_name: movie', "model_name: movie\n      model_version: '7'")), '--probe'),
    ).toMatchObject([{ severity: 'warning', code: 'INFERFLOW_CONFIG_UNKNOWN_MODEL', found: '7', line: 17 }]);
  });

  it('only warns of a server that is not ready, or not there', async () => {
    const endpoint = await serve({ datatype: 'INT64' }, false);
    const notReady = await lint(await file('m.yaml', yaml({ endpoint })), '--probe');
    expect(notReady).toMatchObject({ code: 0, out: expect.stringContaining('it is not ready') });
    const started = performance.now();
    const found = await problems(await file('m.yaml', yaml({ endpoint: '127.0.0.1:1' })), '--probe', '--probe-timeout', '1000');
    expect(found).toMatchObject([{ severity: 'warning', code: 'INFERFLOW_CONFIG_MODEL_UNREACHABLE' }]);
    expect(performance.now() - started).toBeLessThan(4000);
  });

  it('knows the models of this process by their directory', async () => {
    const models = join(directory, 'onnx');
    await mkdir(models);
    await writeFile(join(models, 'movie.onnx'), '');
    expect(await problems(await file('m.yaml', yaml()), '--models', models)).toEqual([]);
    await rm(join(models, 'movie.onnx'));
    await writeFile(join(models, 'movies.onnx'), '');
    expect(await problems(await file('m.yaml', yaml()), '--models', models)).toMatchObject([
      { severity: 'error', code: 'INFERFLOW_CONFIG_UNKNOWN_MODEL', found: 'movie', suggestion: 'movies', line: 16 },
    ]);
  });
});
