import http2 from 'node:http2';
import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  InferflowRequestProtoSchema,
  PairWiseRequestSchema,
  PointWiseRequestSchema,
  RpcStatusSchema,
  SlateWiseRequestSchema,
} from '@inferflow/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callRaw, framed, framedAs } from './testing/raw-grpc.js';
import { type StockServer, startStockServer } from './testing/stock-server.js';
import { cyclicModel, sumModel, sumRequest } from './testing/sum-model.js';

const limits = {
  INFERFLOW_MAX_TARGETS: '5',
  INFERFLOW_MAX_SLATES: '4',
  INFERFLOW_MAX_FEATURES: '6',
  INFERFLOW_MAX_MESSAGE_BYTES: '2000',
  INFERFLOW_MAX_SLATE_TARGETS: '10',
};
const models = {
  sum: sumModel(),
  lenient: { ...sumModel(), compat: 'go-1.0' },
  typed: sumModel({ request_values: 'typed' }),
  broken: cyclicModel,
};
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

interface Sent {
  /** Whole body, frames of gRPC included. */
  readonly body: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** gRPC over HTTP/2. */
async function send({ port }: StockServer, path: string, { body, headers = {} }: Sent): Promise<Refusal & { status: number }> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  // Told by the stream that breaks with it.
  session.on('error', () => {});
  try {
    const { head, grpcMessage } = await callRaw(session, path, body, headers);
    const refusal = refusalOf(Number(head['grpc-status']), grpcMessage, head['grpc-status-details-bin'] as string | undefined);
    return { ...refusal, status: head[':status'] ?? 0 };
  } finally {
    session.destroy();
  }
}

const gzip = { 'grpc-encoding': 'gzip' };

/** Compressed messages leave the fast path of the stock listener. */
async function grpc(server: StockServer, path: string, message: Uint8Array, isCompressed: boolean): Promise<Refusal> {
  const { status, ...refusal } = await send(server, path, {
    body: framed(message, isCompressed),
    ...(isCompressed && { headers: gzip }),
  });
  expect(status).toBe(200);
  return refusal;
}

async function web({ port }: StockServer, path: string, body: Buffer, headers: Readonly<Record<string, string>> = {}): Promise<Refusal> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/grpc-web+proto', ...requestId, ...headers },
    body: body as Uint8Array<ArrayBuffer>,
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
const paths = ['/Predict/InferPointWise', '/Predict/InferPairWise', '/Predict/InferSlateWise', '/Inferflow/RetrieveModelScore'];
/** A hundred groups, one in the other. */
const nested = Buffer.alloc(200, 0xa3).fill(0xa4, 100);
const garbage = (bytes: Uint8Array | readonly number[]) => paths.map((path) => [path, Uint8Array.from(bytes)] as const);

/** A request of each method that is answered. */
const ones = { first: a, second: { id: 'b' } };
const answered = [
  ['/Predict/InferPointWise', good] as const,
  pair({ modelConfigId: 'sum', targets: [ones.first, ones.second], pairs: [{ firstTargetIndex: 0, secondTargetIndex: 1 }] }),
  slate({ modelConfigId: 'sum', targets: [ones.first, ones.second], slates: [{ targetIndices: [0, 1] }] }),
  score({ modelConfigId: 'sum', entities: [{ entity: 'item', ids: ['1', '2'] }] }),
];

const table: readonly (readonly [name: string, number, readonly (readonly [string, Uint8Array])[]])[] = [
  ['an empty message', 3, garbage([])],
  ['a tag without a value', 3, garbage([0x0a])],
  ['a length beyond the end', 3, garbage([0x0a, 0xff, 0xff])],
  ['a varint without end', 3, garbage(new Array<number>(12).fill(0xff))],
  ['an unknown wire type', 3, garbage([0x0f, 1, 2])],
  ['the end of a group that did not begin', 3, garbage([0x0c])],
  ['field number 0', 3, garbage([0x02, 0])],
  ['text that is not UTF-8', 3, garbage([0x0a, 2, 0xc3, 0x28, 0x12, 1, 0xff])],
  ['text that is not UTF-8 in a field that comes once more', 3, garbage([0x12, 1, 0xff, 0x12, 1, 0x61])],
  ['random bytes', 3, garbage(Array.from({ length: 200 }, (_, index) => (index * 151 + 77) & 0xff))],
  [
    'a message cut off anywhere',
    3,
    answered.flatMap(([path, message]) =>
      [1, 3, 6, 9, message.length - 1, message.length - 4].map((length) => [path, message.subarray(0, length)] as const),
    ),
  ],
  ['a damaged target', 3, [['/Predict/InferPointWise', Uint8Array.of(...good, 0x2a, 2, 0x0a, 5)]]],
  ['a target with an id that is not UTF-8', 3, [['/Predict/InferPointWise', Uint8Array.of(...good, 0x2a, 3, 0x0a, 1, 0xff)]]],
  [
    'two ids of a target, the first not UTF-8',
    3,
    [['/Predict/InferPointWise', Uint8Array.of(...good, 0x2a, 6, 0x0a, 1, 0xff, 0x0a, 1, 0x61)]],
  ],
  [
    'a text that is not UTF-8 behind those that are asked for',
    3,
    [score({ modelConfigId: 'lenient', entities: [{ entity: 'item', ids: ['1', '2'] }] })].flatMap(([path, message]) =>
      [
        [0x0a, 3, 0x12, 1, 0xff],
        [0x0a, 12, 0x0a, 1, 0x62, 0x12, 1, 0x31, 0x12, 1, 0x32, 0x12, 1, 0xff],
        [0x0a, 13, 0x0a, 1, 0x62, 0x12, 1, 0x31, 0x1a, 6, 0x0a, 1, 0x66, 0x12, 1, 0xff],
      ].map((entity) => [path, Uint8Array.of(...message, ...entity)] as const),
    ),
  ],
  ['a tag of six bytes', 3, answered.map(([path, message]) => [path, Uint8Array.of(...message, 0xf8, 0x86, 0x80, 0x80, 0x80, 0, 1)])],
  ['groups nested too deep', 3, answered.map(([path, message]) => [path, Buffer.concat([message, nested])])],
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
  [
    'a message above the limit',
    8,
    [
      point(sumRequest('sum', [['x'.repeat(5000), '1', '1']])),
      pair({ modelConfigId: 'x'.repeat(5000) }),
      slate({ modelConfigId: 'x'.repeat(5000) }),
      score({ modelConfigId: 'x'.repeat(5000) }),
    ],
  ],
];

/** Of a compressed message nobody knows how long it would be. */
function comparable(told: Refusal): Refusal {
  return { ...told, message: told.message.replace(/has (\d+|too many) bytes( when decompressed)?/, 'is too long') };
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
        'compressed, lean': await grpc(lean, path, message, true),
        web: await web(stock, path, framed(message, false)),
        'web, lean': await web(lean, path, framed(message, false)),
        connect: await connect(stock, path, message),
        'connect, lean': await connect(lean, path, message),
      };
      for (const [way, told] of Object.entries(others))
        expect({ path, way, ...comparable(told) }).toEqual({ path, way, ...comparable(fast) });
    }
  });

  it('a good one is answered on all', async () => {
    for (const [path, message] of answered)
      for (const server of [stock, lean])
        for (const told of [
          await grpc(server, path, message, false),
          await grpc(server, path, message, true),
          await web(server, path, framed(message, false)),
        ])
          expect({ path, ...told }).toEqual({ path, code: 0, message: '', details: [] });
  });
});

const whole = framed(good, false);
const squeezed = framed(good, true);

/** Bodies that are not one message in its frame. The second column is the code, and whether the error is one of the engine. */
const bodies: readonly (readonly [name: string, code: number, hasDetails: boolean, body: Buffer])[] = [
  ['nothing', 3, true, Buffer.alloc(0)],
  ['half a frame head', 3, true, whole.subarray(0, 3)],
  ['a flag that is none', 3, true, Buffer.concat([Buffer.of(2), whole.subarray(1)])],
  ['text', 3, true, Buffer.from('GET / HTTP/1.1')],
  ['a frame head alone', 3, true, whole.subarray(0, 5)],
  ['a frame that is cut off', 3, true, whole.subarray(0, -4)],
  ['a frame and a few bytes', 3, true, Buffer.concat([whole, Buffer.of(0, 0)])],
  ['two frames', 3, true, Buffer.concat([whole, whole])],
  ['a length above the limit', 8, false, Buffer.of(0, 0, 0, 8, 0)],
  ['a length of 4 GiB', 8, false, Buffer.concat([Buffer.of(0, 255, 255, 255, 255), good])],
];
/** The same for those who say that they compress. */
const compressedBodies: typeof bodies = [
  ['a compressed frame that is damaged', 3, true, framedAs(1, Buffer.from('no gzip at all'))],
  ['a compressed frame whose gzip is cut off', 3, true, framedAs(1, squeezed.subarray(5, -10))],
  ['a compressed frame that is cut off', 3, true, squeezed.subarray(0, -4)],
  ['two compressed frames', 3, true, Buffer.concat([squeezed, squeezed])],
  ['a message that is above the limit when decompressed', 8, false, framed(Buffer.alloc(100_000), true)],
];
const unannounced: typeof bodies = [['a compressed frame, and nobody says how', 13, false, squeezed]];

describe('a body that is not one message is told the same on the fast paths and on the slow ones:', () => {
  const told = async (path: string, body: Buffer, ways: readonly ('fast' | 'gzip')[]) => {
    const all: [string, Refusal][] = [];
    for (const way of ways)
      for (const [name, server] of Object.entries({ stock, lean })) {
        const headers = way === 'gzip' ? gzip : {};
        const { status, ...refusal } = await send(server, path, { body, headers });
        expect(status).toBe(200);
        all.push([`${name}, ${way}`, refusal], [`web ${name}, ${way}`, await web(server, path, body, headers)]);
      }
    return all;
  };
  const cases = [
    ...bodies.map((each) => [...each, ['fast', 'gzip']] as const),
    ...compressedBodies.map((each) => [...each, ['gzip']] as const),
    ...unannounced.map((each) => [...each, ['fast']] as const),
  ];

  it.each(cases)('%s', async (_name, code, hasDetails, body, ways) => {
    for (const path of paths) {
      const all = await told(path, body, ways);
      const first = all[0]?.[1];
      for (const [way, refusal] of all) expect({ path, way, ...refusal }).toEqual({ path, way, ...first });
      expect(first).toMatchObject({ code, message: expect.stringMatching(/./) });
      expect(first?.details).toHaveLength(hasDetails ? 1 : 0);
      if (hasDetails) expect(Buffer.from(first?.details[0]?.split(' ')[1] ?? '', 'base64').toString()).toContain('MALFORMED_REQUEST');
    }
  });

  it('a compressed frame of no bytes, which is an empty message', async () => {
    for (const path of paths) {
      const empty = { body: framedAs(1, Buffer.alloc(0)), headers: gzip };
      const all = await Promise.all([stock, lean].map((server) => send(server, path, empty)));
      expect(all[0]).toMatchObject({ code: 3, message: expect.stringMatching(/model config|went wrong/) });
      expect(all[1]).toEqual(all[0]);
    }
  });

  it('a timeout that cannot be read, an encoding that is not known', async () => {
    for (const path of paths) {
      const ask = async (headers: Readonly<Record<string, string>>) =>
        Promise.all([stock, lean].map((server) => send(server, path, { body: whole, headers })));
      const timeouts = [...(await ask({ 'grpc-timeout': '5x' })), ...(await ask({ 'grpc-timeout': '5x', ...gzip }))];
      for (const each of timeouts) expect(each).toEqual({ ...timeouts[0], code: 3 });
      expect(timeouts[0]?.message).not.toContain('5x');
      for (const each of await ask({ 'grpc-encoding': 'snappy' })) expect(each).toMatchObject({ status: 200, code: 12 });
    }
  });

  it.each(['text/plain', 'application/x-protobuf', 'application/grpcx', ''])('the content type "%s"', async (type) => {
    for (const path of paths)
      for (const server of [stock, lean]) {
        expect(await send(server, path, { body: whole, headers: { 'content-type': type } })).toMatchObject({ status: 415 });
        const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
          method: 'POST',
          headers: { 'content-type': type },
          body: whole as Uint8Array<ArrayBuffer>,
        });
        expect([response.status, await response.text()]).toEqual([415, expect.stringContaining('content type')]);
      }
  });

  it('content types of gRPC: with capitals they are served; what only the full port serves is UNIMPLEMENTED on the lean one', async () => {
    for (const server of [stock, lean])
      expect(await send(server, paths[0] ?? '', { body: whole, headers: { 'content-type': 'Application/gRPC' } })).toMatchObject({
        code: 0,
      });
    const asJson = { body: framed(Buffer.from('{"modelConfigId":5}'), false), headers: { 'content-type': 'application/grpc+json' } };
    for (const path of paths) {
      expect(await send(stock, path, asJson)).toMatchObject({ status: 200, code: 3 });
      expect(await send(lean, path, asJson)).toMatchObject({
        status: 200,
        code: 12,
        message: expect.stringContaining('INFERFLOW_FULL_PORT'),
      });
    }
  });
});
