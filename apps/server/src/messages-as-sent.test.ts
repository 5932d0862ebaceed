import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { createConnectRouter, type UnaryRequest } from '@connectrpc/connect';
import { PointWiseRequestSchema, PointWiseResponseSchema, Predict } from '@inferflow/proto';
import { expect, it } from 'vitest';
import { addMethod } from './messages-as-sent.js';

const method = Predict.method.inferPointWise;
const answer = toBinary(PointWiseResponseSchema, create(PointWiseResponseSchema, { targetScores: [{ outputValues: [Uint8Array.of(1)] }] }));

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

async function call(type: string, body: Uint8Array) {
  const seen: { bytes?: Uint8Array; message?: UnaryRequest['message']; unknown?: unknown } = {};
  const router = createConnectRouter({
    // As the server has it, for everything else.
    binaryOptions: { readUnknownFields: false },
    interceptors: [
      (next) => (request) => {
        if (!request.stream) seen.message = request.message;
        return next(request);
      },
    ],
  });
  addMethod(router, method, async (bytes) => {
    seen.bytes = bytes;
    seen.unknown = seen.message?.$unknown;
    return answer;
  });
  expect(router.handlers.map(({ requestPath }) => requestPath)).toEqual(['/Predict/InferPointWise']);
  const response = await router.handlers[0]?.({
    httpVersion: '1.1',
    method: 'POST',
    url: 'http://localhost/Predict/InferPointWise',
    header: new Headers({ 'content-type': type }),
    body: once(body),
    signal: new AbortController().signal,
  });
  const chunks: Uint8Array[] = [];
  for await (const chunk of (response?.body ?? []) as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return { ...seen, status: response?.status, answer: Buffer.concat(chunks) };
}

it('hands on a binary request and its answer as they are: fields nobody knows, in any order, given twice', async () => {
  const request = Uint8Array.of(0xb8, 0x3e, 1, 0x0a, 1, 0x61, 0x12, 1, 0xff, 0x0a, 1, 0x62, 0xbb, 0x3e, 0x08, 1, 0xbc, 0x3e);
  const got = await call('application/proto', request);
  expect(got.status).toBe(200);
  expect([...(got.bytes ?? [])]).toEqual([...request]);
  expect([...got.answer]).toEqual([...answer]);
});

it('does not keep the fields of a request while it is worked on', async () => {
  const got = await call('application/proto', Buffer.alloc(3000, Buffer.of(0xb8, 0x3e, 1)));
  expect([got.status, got.bytes?.length]).toEqual([200, 3000]);
  expect(got.message?.$typeName).toBe('google.protobuf.Empty');
  expect(got.unknown).toBeUndefined();
});

it('turns JSON into the message that it stands for, and the answer into JSON', async () => {
  const got = await call('application/json', Buffer.from('{"modelConfigId":"m","targets":[{"id":"a"}]}'));
  expect(fromBinary(PointWiseRequestSchema, got.bytes ?? new Uint8Array())).toMatchObject({ modelConfigId: 'm', targets: [{ id: 'a' }] });
  expect(JSON.parse(got.answer.toString())).toEqual({ targetScores: [{ outputValues: ['AQ=='] }] });
});

it('is not asked about bytes that are no fields at all', async () => {
  const got = await call('application/proto', Uint8Array.of(0x0a, 9));
  expect([got.status, got.bytes]).toEqual([500, undefined]);
});
