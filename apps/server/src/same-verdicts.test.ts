import http2 from 'node:http2';
import { create, type DescMessage, type DescMethod, fromBinary, type MessageInitShape, toBinary, toJsonString } from '@bufbuild/protobuf';
import {
  Inferflow,
  InferflowRequestProtoSchema,
  PairWiseRequestSchema,
  PointWiseRequestSchema,
  Predict,
  SlateWiseRequestSchema,
} from '@inferflow/proto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { callRaw, framed } from './testing/raw-grpc.js';
import { type StockServer, startStockServer } from './testing/stock-server.js';
import { sumModel, sumRequest } from './testing/sum-model.js';

let stock: StockServer;
let session: http2.ClientHttp2Session;
beforeAll(async () => {
  stock = await startStockServer({ sum: sumModel(), typed: sumModel({ request_values: 'typed' }) });
  session = http2.connect(`http://127.0.0.1:${stock.port}`);
});
afterAll(async () => {
  session.destroy();
  await stock.close();
});

const bytesOf = <D extends DescMessage>(desc: D, init: MessageInitShape<D>) => toBinary(desc, create(desc, init));
const targets = [{ id: 'a', featureValues: [Uint8Array.of(1), Uint8Array.of(2)] }, { id: 'ü' }];

/** Requests of every method that are answered. */
const requests: readonly (readonly [DescMethod, Uint8Array])[] = [
  [Predict.method.inferPointWise, bytesOf(PointWiseRequestSchema, sumRequest('sum'))],
  [Predict.method.inferPointWise, bytesOf(PointWiseRequestSchema, sumRequest('typed'))],
  [
    Predict.method.inferPointWise,
    bytesOf(PointWiseRequestSchema, {
      modelConfigId: 'sum',
      targets,
      contextFeatures: [{ name: 'user', value: Uint8Array.of(1, 2), dataType: 8, vectorDim: 3 }],
      options: { omitQuality: true },
    }),
  ],
  [
    Predict.method.inferPairWise,
    bytesOf(PairWiseRequestSchema, {
      modelConfigId: 'sum',
      targets,
      pairs: [{ firstTargetIndex: 0, secondTargetIndex: 1, featureValues: [Uint8Array.of(3)] }],
    }),
  ],
  [
    Predict.method.inferSlateWise,
    bytesOf(SlateWiseRequestSchema, {
      modelConfigId: 'sum',
      targets,
      slates: [{ targetIndices: [0, 1, 0], featureValues: [Uint8Array.of(4)] }],
    }),
  ],
  [
    Inferflow.method.retrieveModelScore,
    bytesOf(InferflowRequestProtoSchema, {
      modelConfigId: 'sum',
      entities: [{ entity: 'item', ids: ['1', '2'], features: [{ name: 'f', idsFeatureValue: ['x', 'y'] }] }],
    }),
  ],
];

interface Told {
  readonly status: unknown;
  readonly text: string;
  readonly details: string;
  readonly answer: string | null;
}

/** What the caller is told, times aside. Compressed requests leave the fast path. */
async function told(method: DescMethod, message: Uint8Array, isCompressed: boolean, headers: Record<string, string> = {}): Promise<Told> {
  const { head, grpcMessage, body } = await callRaw(
    session,
    `/${method.parent.typeName}/${method.name}`,
    framed(message, isCompressed),
    isCompressed ? { 'grpc-encoding': 'gzip', ...headers } : headers,
  );
  return {
    status: head['grpc-status'],
    text: grpcMessage,
    details: Buffer.from(String(head['grpc-status-details-bin'] ?? ''), 'base64').toString('hex'),
    answer: answerOf(method, body),
  };
}

function answerOf({ output }: DescMethod, body: Buffer): string | null {
  if (body.length === 0) return null;
  const answer = toJsonString(output, fromBinary(output, body.subarray(5)));
  return answer.replace(/"durationUs":\d+/g, '');
}

it.each(['99999999H', '2147484S', '25d'])('grpc-timeout %s is taken alike on the fast path and on the slow one', async (timeout) => {
  const [method, message] = requests[0] as (typeof requests)[number];
  const [fast, slow] = await Promise.all(
    [false, true].map((isCompressed) => told(method, message, isCompressed, { 'grpc-timeout': timeout })),
  );
  expect(slow?.status).toBe(fast?.status);
  expect(slow?.answer).toBe(fast?.answer);
});

type Damage = readonly ['set' | 'insert' | 'remove' | 'cut', at: number, byte: number];
const damage = fc.tuple(
  fc.constantFrom('set', 'insert', 'remove', 'cut'),
  fc.nat(),
  fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0x80, 0xff)),
);

function damaged(message: Uint8Array, damages: readonly Damage[]): Uint8Array {
  const bytes = [...message];
  for (const [kind, where, byte] of damages) {
    const at = where % (bytes.length + 1);
    if (kind === 'set') bytes[at] = byte;
    else if (kind === 'insert') bytes.splice(at, 0, byte);
    else if (kind === 'remove') bytes.splice(at, 1);
    else if (byte < 32) bytes.length = at;
  }
  return Uint8Array.from(bytes);
}

it('a damaged request is answered or refused alike, to the letter, on the fast path and on the slow one', async () => {
  const seen = new Set<unknown>();
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...requests), fc.array(damage, { minLength: 1, maxLength: 3 }), async ([method, whole], damages) => {
      const message = damaged(whole, damages as readonly Damage[]);
      const [fast, slow] = await Promise.all([told(method, message, false), told(method, message, true)]);
      expect(slow).toEqual(fast);
      seen.add(fast.status);
    }),
    { numRuns: 1500 },
  );
  expect([...seen]).toEqual(expect.arrayContaining(['0', '3']));
}, 120_000);
