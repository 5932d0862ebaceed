import http2 from 'node:http2';
import { gzipSync } from 'node:zlib';
import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  InferflowRequestProtoSchema,
  PairWiseRequestSchema,
  PointWiseRequestSchema,
  RpcStatusSchema,
  SlateWiseRequestSchema,
} from '@inferflow/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StockServer, startStockServer } from './testing/stock-server.js';
import { cyclicModel, sumModel, sumRequest } from './testing/sum-model.js';

const limits = {
  INFERFLOW_MAX_TARGETS: '5',
  INFERFLOW_MAX_SLATES: '4',
  INFERFLOW_MAX_FEATURES: '6',
  INFERFLOW_MAX_MESSAGE_BYTES: '2000',
  INFERFLOW_MAX_SLATE_TARGETS: '10',
};
const models = { sum: sumModel(), typed: sumModel({ request_values: 'typed' }), broken: cyclicModel };
let stock: StockServer;
let lean: StockServer;
beforeAll(async () => {
  stock = await startStockServer(models, limits);
  lean = await startStockServer(models, { ...limits, INFERFLOW_LEAN_LISTENER: '1' });
});
afterAll(async () => {
  await Promise.all([stock.close(), lean.close()]);
});

/** What a caller is told, however it asked. */
interface Refusal {
  readonly code: number;
  readonly message: string;
  /** Types and bytes of the details. */
  readonly details: readonly string[];
}

const requestId = { 'x-request-id': 'same' };

function refusalOf(code: number, message: string, statusDetails: string | undefined): Refusal {
  const { details } = fromBinary(RpcStatusSchema, Buffer.from(statusDetails ?? '', 'base64'));
  return {
    code,
    message,
    details: details.map(({ typeUrl, value }) => `${typeUrl.split('/').at(-1)} ${Buffer.from(value).toString('base64')}`),
  };
}

/** gRPC over HTTP/2; compressed messages leave the fast path. */
async function grpc({ port }: StockServer, path: string, message: Uint8Array, isCompressed: boolean): Promise<Refusal> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  try {
    return await new Promise<Refusal>((resolve, reject) => {
      session.on('error', reject);
      const encoding = isCompressed ? { 'grpc-encoding': 'gzip' } : {};
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...encoding,
        ...requestId,
      });
      let head: http2.IncomingHttpHeaders = {};
      stream.on('response', (headers) => (head = headers));
      stream.on('trailers', (trailers) => (head = { ...head, ...trailers }));
      stream.on('error', reject).on('data', () => {});
      stream.on('close', () =>
        resolve(
          refusalOf(
            Number(head['grpc-status']),
            decodeURIComponent(String(head['grpc-message'] ?? '')),
            head['grpc-status-details-bin'] as string | undefined,
          ),
        ),
      );
      stream.end(framed(message, isCompressed));
    });
  } finally {
    session.destroy();
  }
}

function framed(message: Uint8Array, isCompressed: boolean): Buffer {
  const body = isCompressed ? gzipSync(message) : message;
  const frame = Buffer.alloc(5 + body.length);
  frame[0] = isCompressed ? 1 : 0;
  frame.writeUInt32BE(body.length, 1);
  frame.set(body, 5);
  return frame;
}

async function web({ port }: StockServer, path: string, message: Uint8Array): Promise<Refusal> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/grpc-web+proto', ...requestId },
    body: framed(message, false) as Uint8Array<ArrayBuffer>,
  });
  const text = Buffer.from(await response.arrayBuffer()).toString('latin1');
  const trailer = (name: string) => new RegExp(`${name}: ?([^\\r]*)\\r`, 'i').exec(text)?.[1] ?? response.headers.get(name) ?? undefined;
  return refusalOf(Number(trailer('grpc-status')), decodeURIComponent(trailer('grpc-message') ?? ''), trailer('grpc-status-details-bin'));
}

const connectCodes = [
  '',
  'canceled',
  'unknown',
  'invalid_argument',
  'deadline_exceeded',
  'not_found',
  'already_exists',
  'permission_denied',
];
const moreCodes = ['resource_exhausted', 'failed_precondition', 'aborted', 'out_of_range', 'unimplemented', 'internal', 'unavailable'];

async function connect({ port }: StockServer, path: string, message: Uint8Array): Promise<Refusal> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/proto', ...requestId },
    body: message as Uint8Array<ArrayBuffer>,
  });
  const said = (await response.json()) as { code: string; message: string; details?: { type: string; value: string }[] };
  return {
    code: [...connectCodes, ...moreCodes].indexOf(said.code),
    message: said.message,
    details: (said.details ?? []).map(({ type, value }) => `${type} ${Buffer.from(value, 'base64').toString('base64')}`),
  };
}

const bytesOf = <D extends DescMessage>(desc: D, init: MessageInitShape<D>) => toBinary(desc, create(desc, init));
const point = (init: MessageInitShape<typeof PointWiseRequestSchema>) =>
  ['/Predict/InferPointWise', bytesOf(PointWiseRequestSchema, init)] as const;
const pair = (init: MessageInitShape<typeof PairWiseRequestSchema>) =>
  ['/Predict/InferPairWise', bytesOf(PairWiseRequestSchema, init)] as const;
const slate = (init: MessageInitShape<typeof SlateWiseRequestSchema>) =>
  ['/Predict/InferSlateWise', bytesOf(SlateWiseRequestSchema, init)] as const;
const score = (init: MessageInitShape<typeof InferflowRequestProtoSchema>) =>
  ['/Inferflow/RetrieveModelScore', bytesOf(InferflowRequestProtoSchema, init)] as const;

const good = bytesOf(PointWiseRequestSchema, sumRequest('sum'));
const a = { id: 'a' };
const garbage = (bytes: Uint8Array | readonly number[]) =>
  ['/Predict/InferPointWise', '/Predict/InferPairWise', '/Predict/InferSlateWise', '/Inferflow/RetrieveModelScore'].map(
    (path) => [path, Uint8Array.from(bytes)] as const,
  );

const table: readonly (readonly [name: string, number, readonly (readonly [string, Uint8Array])[]])[] = [
  ['an empty message', 3, garbage([])],
  ['a tag without a value', 3, garbage([0x0a])],
  ['a length beyond the end', 3, garbage([0x0a, 0xff, 0xff])],
  ['a varint without end', 3, garbage(new Array<number>(12).fill(0xff))],
  ['an unknown wire type', 3, garbage([0x0f, 1, 2])],
  ['the end of a group that did not begin', 3, garbage([0x0c])],
  ['field number 0', 3, garbage([0x02, 0])],
  ['text that is not UTF-8', 3, garbage([0x0a, 2, 0xc3, 0x28, 0x12, 1, 0xff])],
  ['random bytes', 3, garbage(Array.from({ length: 200 }, (_, index) => (index * 151 + 77) & 0xff))],
  [
    'a message cut off anywhere',
    3,
    [1, 3, 6, 9, good.length - 1, good.length - 4].map((length) => ['/Predict/InferPointWise', good.subarray(0, length)] as const),
  ],
  ['a damaged target', 3, [['/Predict/InferPointWise', Uint8Array.of(...good, 0x2a, 2, 0x0a, 5)]]],
  ['a target with an id that is not UTF-8', 3, [['/Predict/InferPointWise', Uint8Array.of(...good, 0x2a, 3, 0x0a, 1, 0xff)]]],
  ['damaged options', 3, [['/Predict/InferPointWise', Uint8Array.of(...good, 0xa2, 6, 1, 8)]]],
  ['an unknown model', 3, [point(sumRequest('nobody')), score({ modelConfigId: 'nobody', entities: [{ entity: 'item', ids: ['1'] }] })]],
  ['a model without a good version', 9, [point(sumRequest('broken'))]],
  [
    'no targets',
    3,
    [point({ modelConfigId: 'sum' }), pair({ modelConfigId: 'sum', pairs: [{}] }), slate({ modelConfigId: 'sum', slates: [{}] })],
  ],
  [
    'no pairs, slates, entities',
    3,
    [pair({ modelConfigId: 'sum', targets: [a] }), slate({ modelConfigId: 'sum', targets: [a] }), score({ modelConfigId: 'sum' })],
  ],
  [
    'indices out of range',
    3,
    [
      pair({ modelConfigId: 'sum', targets: [a], pairs: [{ firstTargetIndex: 0, secondTargetIndex: -3 }] }),
      slate({ modelConfigId: 'sum', targets: [a], slates: [{ targetIndices: [0, 9] }] }),
    ],
  ],
  ['names given twice', 3, [point({ ...sumRequest('sum'), targetInputSchema: [{ name: 'a' }, { name: 'a' }] })]],
  [
    'typed values of a wrong width, and a type that is none',
    3,
    [
      point({
        ...sumRequest('typed'),
        targetInputSchema: [
          { name: 'a', dataType: 8 },
          { name: 'b', dataType: 8 },
        ],
      }),
      point({ ...sumRequest('typed'), targetInputSchema: [{ name: 'a', dataType: 77 as never }, { name: 'b' }] }),
    ],
  ],
  [
    'too many targets',
    8,
    [
      point(
        sumRequest(
          'sum',
          Array.from({ length: 6 }, (_, row) => [`t${row}`, '1', '1'] as const),
        ),
      ),
    ],
  ],
  [
    'too many slates',
    8,
    [slate({ modelConfigId: 'sum', targets: [a], slates: Array.from({ length: 5 }, () => ({ targetIndices: [0] })) })],
  ],
  [
    'too many features',
    8,
    [point({ ...sumRequest('sum'), targetInputSchema: Array.from({ length: 7 }, (_, at) => ({ name: `f${at}` })) })],
  ],
  ['a message above the limit', 8, [point(sumRequest('sum', [['x'.repeat(5000), '1', '1']])), score({ modelConfigId: 'x'.repeat(5000) })]],
];

/** The generated code does not say which part is malformed, and of a compressed message nobody knows how long it would be. */
function comparable(told: Refusal): Refusal {
  const message = told.message.replace(/: \w+ is malformed$/, '').replace(/has (\d+|too many) bytes( when decompressed)?/, 'is too long');
  const details = / is malformed$/.test(told.message) || message.endsWith('Request') ? told.details.slice(0, 1) : told.details;
  return { code: told.code, message, details };
}

describe('a bad request is told the same on the fast paths and on the slow ones:', () => {
  it.each(table)('%s', async (_name, code, requests) => {
    for (const [path, message] of requests) {
      const fast = await grpc(stock, path, message, false);
      expect(fast.code).toBe(code);
      expect(fast.message).not.toBe('');
      expect(await grpc(lean, path, message, false)).toEqual(fast);
      const others = {
        compressed: await grpc(stock, path, message, true),
        web: await web(stock, path, message),
        connect: await connect(stock, path, message),
      };
      for (const [way, told] of Object.entries(others))
        expect({ path, way, ...comparable(told) }).toEqual({ path, way, ...comparable(fast) });
    }
  });

  it('a good one is answered on all', async () => {
    for (const server of [stock, lean]) expect((await grpc(server, '/Predict/InferPointWise', good, false)).code).toBe(0);
    expect((await grpc(stock, '/Predict/InferPointWise', good, true)).code).toBe(0);
    expect((await web(stock, '/Predict/InferPointWise', good)).code).toBe(0);
  });
});
