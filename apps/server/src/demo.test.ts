import { readFileSync } from 'node:fs';
import { fromJson } from '@bufbuild/protobuf';
import { createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import {
  Inferflow,
  InferflowRequestProtoSchema,
  PairWiseRequestSchema,
  PointWiseRequestSchema,
  Predict,
  SlateWiseRequestSchema,
} from '@inferflow/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createServer, type Server } from './create-server.js';
import { readEnvironment } from './env.js';
import { createLogger } from './logger.js';

type Scores = Readonly<Record<string, number | string>>;
interface GoldenCase {
  readonly request: string;
  readonly rpc: string;
  readonly targets: readonly Scores[];
  readonly pairs?: readonly Scores[];
  readonly slates?: readonly Scores[];
}

const folder = new URL('../../../examples/movies/', import.meta.url);
const readJson = (name: string) => JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
const golden: { readonly tolerance: number; readonly cases: readonly GoldenCase[] } = readJson('golden.json');
const caseOf = (rpc: string) => golden.cases.find((each) => each.rpc === rpc) as GoldenCase;
const requestOf = (rpc: string) => readJson(caseOf(rpc).request.replace('.json', '.connect.json'));

interface Column {
  readonly name: string;
  readonly dataType: number;
}
interface Row {
  readonly error: string;
  readonly outputValues: readonly Uint8Array[];
}

function rowsOf(schema: readonly Column[], rows: readonly Row[]): Scores[] {
  const FP32 = 4;
  return rows.map(({ error, outputValues }) => {
    expect(error).toBe('');
    const values = schema.map(({ name, dataType }, at) => {
      const bytes = Buffer.from(outputValues[at] ?? []);
      return [name, dataType === FP32 ? bytes.readFloatLE(0) : bytes.toString()] as const;
    });
    return Object.fromEntries(values);
  });
}

function expectGolden(actual: readonly Scores[], expected: readonly Scores[] = []): void {
  expect(actual).toHaveLength(expected.length);
  for (const [row, scores] of expected.entries()) {
    for (const [name, value] of Object.entries(scores)) {
      const got = actual[row]?.[name];
      if (typeof value === 'string') expect(got).toBe(value);
      else expect(Math.abs(Number(got) - value), `${name} of row ${row}`).toBeLessThanOrEqual(golden.tolerance);
    }
  }
}

describe('the server on embedded defaults', () => {
  let server: Server;
  const lines: string[] = [];
  beforeAll(async () => {
    const logger = createLogger('INFO', 'demo', { write: (line: string) => void lines.push(line) });
    server = await createServer(
      readEnvironment({ APP_PORT: '0', INFERFLOW_HOST: '127.0.0.1', INFERFLOW_SHUTDOWN_GRACE_MS: '100' }),
      logger,
    );
  });
  afterAll(() => server.shutdown());

  const transports: readonly (readonly [string, () => Transport])[] = [
    ['gRPC', () => createGrpcTransport({ baseUrl: `http://127.0.0.1:${server.port}` })],
    [
      'Connect as JSON',
      () => createConnectTransport({ baseUrl: `http://127.0.0.1:${server.port}`, httpVersion: '1.1', useBinaryFormat: false }),
    ],
  ];
  describe.each(transports)('over %s', (_name, transport) => {
    it('ranks films with the golden scores', async () => {
      const answer = await createClient(Predict, transport()).inferPointWise(fromJson(PointWiseRequestSchema, requestOf('InferPointWise')));
      expectGolden(rowsOf(answer.targetOutputSchema, answer.targetScores), caseOf('InferPointWise').targets);
    });

    it('compares films', async () => {
      const answer = await createClient(Predict, transport()).inferPairWise(fromJson(PairWiseRequestSchema, requestOf('InferPairWise')));
      expectGolden(rowsOf(answer.targetOutputSchema, answer.targetScores), caseOf('InferPairWise').targets);
      expectGolden(rowsOf(answer.pairOutputSchema, answer.pairScores), caseOf('InferPairWise').pairs);
    });

    it('plans evenings', async () => {
      const answer = await createClient(Predict, transport()).inferSlateWise(fromJson(SlateWiseRequestSchema, requestOf('InferSlateWise')));
      expectGolden(rowsOf(answer.targetOutputSchema, answer.targetScores), caseOf('InferSlateWise').targets);
      expectGolden(rowsOf(answer.slateOutputSchema, answer.slateScores), caseOf('InferSlateWise').slates);
    });

    it('scores films for many users', async () => {
      const request = fromJson(InferflowRequestProtoSchema, requestOf('RetrieveModelScore'));
      const answer = await createClient(Inferflow, transport()).retrieveModelScore(request);
      const [header = [], ...rows] = answer.componentData.map(({ data }) => data);
      expect(answer.rowErrors).toEqual([]);
      const scores = rows.map((row) => Object.fromEntries(header.map((name, at) => [name, row[at] ?? ''])));
      expectGolden(scores, caseOf('RetrieveModelScore').targets);
    });
  });

  it('says in one line each what is embedded', () => {
    const messages = lines.map((line) => String(JSON.parse(line).msg));
    for (const what of [
      'embedded feature store: ',
      'embedded models: ',
      'embedded expressions: ',
      'feature store: embedded',
      'compute service: embedded',
    ])
      expect(
        messages.filter((message) => message.startsWith(what)),
        what,
      ).toHaveLength(1);
  });
});
