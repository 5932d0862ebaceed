import net from 'node:net';
import { gzipSync } from 'node:zlib';
import { create, type JsonObject, toJson } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { Health, PointWiseRequestSchema } from '@inferflow/proto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type StockServer, startStockServer } from './testing/stock-server.js';
import { sumModel, sumRequest } from './testing/sum-model.js';

let stock: StockServer;
beforeAll(async () => {
  stock = await startStockServer({ sum: sumModel() }, { INFERFLOW_MAX_HELD_BYTES: '2097152', INFERFLOW_MAX_IN_FLIGHT: '6' });
});
afterAll(() => stock.close());

/** So many places beside the fast path. */
const places = 6;
const path = '/Predict/InferPointWise';
const tooMany = 'the server holds as many request and answer bytes as it may';
const request = toJson(PointWiseRequestSchema, create(PointWiseRequestSchema, sumRequest('sum'))) as JsonObject;
const longRequest = (length: number) => JSON.stringify({ ...request, trackingId: 'x'.repeat(length) });

async function post(body: string | Uint8Array, headers: Record<string, string> = {}) {
  const response = await fetch(`http://127.0.0.1:${stock.port}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: body as string,
  });
  return { status: response.status, headers: response.headers, json: (await response.json()) as Record<string, unknown> };
}

/** A request that is begun, and the first line of what comes back. */
function begin(type: string, declared: number, sent: Buffer) {
  const socket = net.connect(stock.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\ncontent-length: ${declared}\r\n\r\n`);
  socket.write(sent);
  const answer = new Promise<string>((resolve) => socket.once('data', (bytes) => resolve(bytes.toString())));
  return { socket, answer };
}

const metric = async () =>
  /reason="held-bytes"} (\d+)/.exec(await (await fetch(`http://127.0.0.1:${stock.port}/metrics`)).text())?.[1] ?? '0';

it('counts bodies while they arrive, over all connections, and gives back what they held', async () => {
  for (const round of [1, 2, 3]) {
    const whole = Buffer.from(longRequest(300_000));
    const patient = begin('application/json', whole.length, whole.subarray(0, -1));
    // The second is over the limit for sure once the first has arrived.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const refused = begin('application/json', 300_000, Buffer.alloc(299_999, 0x20));
    const said = await refused.answer;
    expect(said).toContain('429 Too Many Requests');
    expect(said).toMatch(/retry-after: 1\r\n/i);
    expect(said).toContain(tooMany);
    refused.socket.destroy();
    patient.socket.write(whole.subarray(-1));
    expect(await patient.answer, `round ${round}`).toContain('HTTP/1.1 200');
    patient.socket.destroy();
  }
  expect(Number(await metric())).toBe(3);
});

it.each([
  ['application/proto', '429 Too Many Requests'],
  ['application/grpc-web', 'grpc-status: 8'],
])('refuses %s as it does JSON', async (type, expected) => {
  const frame = Buffer.alloc(1_200_000);
  frame.writeUInt32BE(1_199_995, 1);
  const { socket, answer } = begin(type, frame.length, frame.subarray(0, 1_190_000));
  const said = await answer;
  expect(said).toContain(expected);
  socket.destroy();
});

it('counts what compressed requests become', async () => {
  const { status, headers, json } = await post(gzipSync(longRequest(1_200_000)), { 'content-encoding': 'gzip' });
  expect([status, headers.get('retry-after'), json['code'], json['message']]).toEqual([429, '1', 'resource_exhausted', tooMany]);
  expect(JSON.stringify(json['details'])).toContain('google.rpc.RetryInfo');
  for (let i = 0; i < 5; i++) expect((await post(gzipSync(longRequest(600_000)), { 'content-encoding': 'gzip' })).status).toBe(200);
});

it('refuses health checks that are much too large, and those alone', async () => {
  const check = (service: string) =>
    fetch(`http://127.0.0.1:${stock.port}/grpc.health.v1.Health/Check`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ service }),
    });
  const large = await check('x'.repeat(70_000));
  expect([large.status, ((await large.json()) as { message: string }).message]).toEqual([429, tooMany]);
  expect((await check('')).status).toBe(200);
});

it('answers health checks of gRPC when there is no other place left', async () => {
  const health = createClient(Health, createGrpcTransport({ baseUrl: `http://127.0.0.1:${stock.port}` }));
  const begun = Array.from({ length: places }, () => begin('application/json', 20_000, Buffer.alloc(10_000, 0x20)));
  await expect.poll(async () => (await post('{}')).status).toBe(429);
  const refused = await post('{}');
  expect([refused.json['code'], refused.headers.get('retry-after')]).toEqual(['resource_exhausted', '1']);
  expect(await health.check({})).toMatchObject({ status: 1 });
  for (const { socket } of begun) socket.destroy();
  await expect.poll(async () => (await post('{}')).status).toBe(400);
});
