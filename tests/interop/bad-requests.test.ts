import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { ConnectError, createClient, type Transport } from '@connectrpc/connect';
import * as node from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BadRequestSchema,
  DataType,
  ErrorInfoSchema,
  PairWiseRequestSchema,
  PointWiseRequestSchema,
  Predict,
  RpcStatusSchema,
  SlateWiseRequestSchema,
} from '../../packages/proto/src/index.js';
import { RawGrpc } from './raw-grpc.js';
import { float32, pairRequest, slateRequest, sumRequest, typedRequest } from './requests.js';
import { type ServerUnderTest, startServerUnderTest } from './server-under-test.js';

let server: ServerUnderTest;
let lean: ServerUnderTest;
let hot: RawGrpc;
let leanHot: RawGrpc;
beforeAll(async () => {
  server = await startServerUnderTest();
  lean = await startServerUnderTest({ INFERFLOW_LEAN_LISTENER: '1' });
  [hot, leanHot] = [server, lean].map(({ port }) => new RawGrpc(port, { 'grpc.max_send_message_length': -1 })) as [RawGrpc, RawGrpc];
});
afterAll(async () => {
  hot.close();
  leanHot.close();
  await server.close();
  await lean.close();
});

/** A refusal as a caller sees it, whatever the protocol. */
interface Refusal {
  readonly code: number;
  readonly message: string;
  readonly reason: string;
  readonly domain: string;
  readonly violations: readonly string[];
}

interface Case<Input extends DescMessage = DescMessage> {
  readonly method: 'inferPointWise' | 'inferPairWise' | 'inferSlateWise';
  readonly schema: Input;
  readonly request: MessageShape<Input>;
  readonly code: number;
  /** Paths that must be among the violations. */
  readonly fields: readonly string[];
}

function given<Input extends DescMessage>(
  method: Case['method'],
  schema: Input,
  request: MessageShape<Input>,
  code: number,
  ...fields: string[]
): Case {
  return { method, schema, request, code, fields } as unknown as Case;
}

const point = (request: MessageShape<typeof PointWiseRequestSchema>, code: number, ...fields: string[]) =>
  given('inferPointWise', PointWiseRequestSchema, request, code, ...fields);
const FP32 = DataType.DataTypeFP32;
const invalid = 3;

const cases: Record<string, () => Case> = {
  'no targets': () => point(sumRequest({ targets: [] }), invalid, 'targets'),
  'an unknown model': () => point(sumRequest({ modelConfigId: 'nobody' }), invalid),
  'no model': () => point(sumRequest({ modelConfigId: '' }), invalid),
  'a refused model': () => point(sumRequest({ modelConfigId: 'refused' }), 9),
  'a name twice in the schema': () =>
    point(
      sumRequest({
        targetInputSchema: [
          { name: 'a', dataType: FP32 },
          { name: 'a', dataType: FP32 },
        ],
      }),
      invalid,
      'target_input_schema[1].name',
    ),
  'a context feature twice': () =>
    point(
      sumRequest({
        contextFeatures: [
          { name: 'c', dataType: FP32, value: new Uint8Array() },
          { name: 'c', dataType: FP32, value: new Uint8Array() },
        ],
      }),
      invalid,
      'context_features[1].name',
    ),
  'no pairs': () => given('inferPairWise', PairWiseRequestSchema, pairRequest({ pairs: [] }), invalid, 'pairs'),
  'a pair out of range': () =>
    given(
      'inferPairWise',
      PairWiseRequestSchema,
      pairRequest({ pairs: [{ firstTargetIndex: 0, secondTargetIndex: 2 }] }),
      invalid,
      'pairs[0].second_target_index',
    ),
  'a negative index': () =>
    given(
      'inferPairWise',
      PairWiseRequestSchema,
      pairRequest({ pairs: [{ firstTargetIndex: -1, secondTargetIndex: 1 }] }),
      invalid,
      'pairs[0].first_target_index',
    ),
  'no slates': () => given('inferSlateWise', SlateWiseRequestSchema, slateRequest({ slates: [] }), invalid, 'slates'),
  'slates out of range, all of them named': () =>
    given(
      'inferSlateWise',
      SlateWiseRequestSchema,
      slateRequest({ slates: [{ targetIndices: [0, 9] }, { targetIndices: [7] }] }),
      invalid,
      'slates[0].target_indices[1]',
      'slates[1].target_indices[0]',
    ),
  'an unknown type under typed values': () =>
    point(
      typedRequest({
        targetInputSchema: [
          { name: 'a', dataType: 99 as DataType },
          { name: 'b', dataType: FP32 },
        ],
      }),
      invalid,
      'target_input_schema[0].data_type',
    ),
  'a wrong width under typed values': () =>
    point(
      typedRequest({ targets: [{ id: 'one', featureValues: [float32(1), new Uint8Array(3)] }] }),
      invalid,
      'targets[0].feature_values[1]',
    ),
  'too few values under typed values': () =>
    point(typedRequest({ targets: [{ id: 'one', featureValues: [float32(1)] }] }), invalid, 'targets[0].feature_values'),
  'many things wrong at once': () =>
    point(
      typedRequest({
        targets: Array.from({ length: 60 }, (_, index) => ({ id: `t${index}`, featureValues: [new Uint8Array(3), float32(1)] })),
      }),
      invalid,
      'targets[0].feature_values[0]',
      'targets[30].feature_values[0]',
    ),
  'too many targets': () => point(sumRequest({ targets: Array.from({ length: 20_001 }, () => ({ id: 'x' })) }), 8),
};

const protocols: Record<string, () => Transport> = {
  'Connect binary over HTTP/1.1': () => node.createConnectTransport({ baseUrl: server.url, httpVersion: '1.1', useBinaryFormat: true }),
  'Connect JSON over HTTP/2': () => node.createConnectTransport({ baseUrl: server.url, httpVersion: '2', useBinaryFormat: false }),
  'gRPC-Web over HTTP/1.1': () => node.createGrpcWebTransport({ baseUrl: server.url, httpVersion: '1.1' }),
  'gRPC through the generic path (compressed)': () =>
    node.createGrpcTransport({ baseUrl: server.url, sendCompression: node.compressionGzip, compressMinBytes: 0 }),
  'gRPC of connect-node': () => node.createGrpcTransport({ baseUrl: server.url }),
};

describe.each(Object.keys(cases))('a request with %s', (title) => {
  const build = cases[title]!;

  it('is refused on the fast path with code, place and reason', async () => {
    const { code, fields } = build();
    const refusal = await refusalOnHotPath(build());
    expect(refusal.code).toBe(code);
    expect(refusal.message).not.toBe('');
    expect(refusal.reason).toMatch(/^INFERFLOW_ENGINE_/);
    expect(refusal.domain).toBe('inferflow');
    const places = refusal.violations.map((violation) => violation.split(': ')[0]);
    for (const field of fields) expect(places).toContain(field);
  });

  it('gets the very same refusal from the lean listener', async () => {
    expect(await refusalOnHotPath(build(), leanHot)).toEqual(await refusalOnHotPath(build()));
  });

  it.each(Object.keys(protocols))('gets the very same refusal over %s', async (protocol) => {
    const expected = await refusalOnHotPath(build());
    expect(await refusalOverConnect(build(), protocols[protocol]!())).toEqual(expected);
  });
});

describe('bytes that are no request', () => {
  const path = '/Predict/InferPointWise';

  it('garbage is a typed error on every path', async () => {
    const garbage = Buffer.alloc(200, 0xfe);
    for (const client of [hot, leanHot]) expect((await client.unary(path, garbage)).code).toBe(invalid);
    const post = async (type: string, body: Buffer | string) => {
      const response = await fetch(server.url + path, { method: 'POST', headers: { 'content-type': type }, body });
      return ((await response.json()) as { code: string }).code;
    };
    expect(await post('application/json', '{"modelConfigId":')).toBe('invalid_argument');
    expect(await post('application/json', '{"nobodyKnows":1}')).toBe('invalid_argument');
    expect(await post('application/proto', garbage)).toBe('invalid_argument');
  });

  it('5 MiB are RESOURCE_EXHAUSTED on both paths, and small requests go on', async () => {
    const large = sumRequest({ trackingId: 'x'.repeat(5 * 1024 * 1024) });
    for (const client of [hot, leanHot]) expect((await client.unary(path, toBinary(PointWiseRequestSchema, large))).code).toBe(8);
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/proto' },
      body: Buffer.from(toBinary(PointWiseRequestSchema, large)),
    });
    expect(((await response.json()) as { code: string }).code).toBe('resource_exhausted');
    for (const client of [hot, leanHot]) expect((await client.unary(path, toBinary(PointWiseRequestSchema, sumRequest()))).code).toBe(0);
  });
});

async function refusalOnHotPath({ method, schema, request }: Case, client = hot): Promise<Refusal> {
  const path = `/Predict/${Predict.method[method].name}`;
  const answer = await client.unary(path, toBinary(schema, request));
  if (answer.statusDetails === undefined) throw new Error(`no details: ${answer.code} ${answer.message}`);
  const status = fromBinary(RpcStatusSchema, answer.statusDetails);
  expect({ code: status.code, message: status.message }).toEqual({ code: answer.code, message: answer.message });
  const info = status.details.map((any) => anyUnpack(any, ErrorInfoSchema)).find((value) => value !== undefined);
  const bad = status.details.map((any) => anyUnpack(any, BadRequestSchema)).find((value) => value !== undefined);
  return refusalOf(answer.code, answer.message, info, bad);
}

async function refusalOverConnect({ method, request }: Case, transport: Transport): Promise<Refusal> {
  const client = createClient(Predict, transport) as unknown as Record<string, (request: unknown) => Promise<unknown>>;
  const error = await client[method]!(request).then(
    () => undefined,
    (thrown: unknown) => ConnectError.from(thrown),
  );
  if (error === undefined) throw new Error('the request was answered');
  return refusalOf(error.code, error.rawMessage, error.findDetails(ErrorInfoSchema)[0], error.findDetails(BadRequestSchema)[0]);
}

function refusalOf(
  code: number,
  message: string,
  info: MessageShape<typeof ErrorInfoSchema> | undefined,
  bad: MessageShape<typeof BadRequestSchema> | undefined,
): Refusal {
  return {
    code,
    message,
    reason: info?.reason ?? '',
    domain: info?.domain ?? '',
    violations: bad?.fieldViolations.map(({ field, description }) => `${field}: ${description}`) ?? [],
  };
}
