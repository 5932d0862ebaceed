import http2 from 'node:http2';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { Health, HealthCheckResponse_ServingStatus, Inferflow, Predict } from '@inferflow/proto';
import { afterEach, describe, expect, it } from 'vitest';
import type { ServerStartError } from './errors.js';
import { type StockServer, startStockServer } from './testing/stock-server.js';
import { sumModel, sumRequest } from './testing/sum-model.js';

const lean = { INFERFLOW_LEAN_LISTENER: '1' };
const both = { ...lean, INFERFLOW_FULL_PORT: '0' };
const open: StockServer[] = [];
afterEach(async () => {
  for (const stock of open.splice(0)) await stock.close();
});

async function start(environment: Readonly<Record<string, string>>): Promise<StockServer> {
  const stock = await startStockServer({ sum: sumModel() }, environment);
  open.push(stock);
  return stock;
}

const grpc = (port: number) => createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` });
const codeOf = async (call: Promise<unknown>) =>
  call.then(
    () => 'answered',
    (error: unknown) => ConnectError.from(error).code,
  );

describe('the lean listener', () => {
  it('serves the scoring methods; everything else over HTTP/2 is on the full port, and HTTP/1.1 on both', async () => {
    const { port, server } = await start(both);
    const full = server.fullPort as number;
    expect(full).not.toBe(port);
    for (const each of [port, full]) {
      const answer = await createClient(Predict, grpc(each)).inferPointWise(sumRequest('sum'));
      expect(Buffer.from(answer.targetScores[0]?.outputValues[1] ?? []).readFloatLE(0)).toBe(3);
      expect((await fetch(`http://127.0.0.1:${each}/health/self`)).status).toBe(200);
      expect(await (await fetch(`http://127.0.0.1:${each}/metrics`)).text()).toContain('inferflow_');
      const connect = createConnectTransport({ baseUrl: `http://127.0.0.1:${each}`, httpVersion: '1.1' });
      expect((await createClient(Predict, connect).inferPointWise(sumRequest('sum'))).targetScores).toHaveLength(1);
    }
    expect(await codeOf(createClient(Health, grpc(port)).check({}))).toBe(Code.Unimplemented);
    expect((await createClient(Health, grpc(full)).check({})).status).toBe(HealthCheckResponse_ServingStatus.SERVING);
    expect(await codeOf(createClient(Inferflow, grpc(port)).retrieveModelScore({ modelConfigId: 'none' }))).toBe(
      await codeOf(createClient(Inferflow, grpc(full)).retrieveModelScore({ modelConfigId: 'none' })),
    );
  });

  it('tells callers of other things where these are, and operators when they are nowhere', async () => {
    const { port, server, lines } = await start(lean);
    expect(server.fullPort).toBeNull();
    expect(lines().some(({ msg }) => String(msg).includes('served nowhere'))).toBe(true);
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const stream = session.request({ ':path': '/health/self' });
    const status = await new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status'])));
    let text = '';
    for await (const chunk of stream) text += String(chunk);
    session.destroy();
    expect([status, text]).toEqual([415, expect.stringContaining('INFERFLOW_FULL_PORT')]);
  });

  it('drains both ports, and counts connections and refusals of both', async () => {
    const { port, server } = await start({ ...both, INFERFLOW_SHUTDOWN_GRACE_MS: '3000' });
    const metrics = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const sessions = [port, server.fullPort].map((each) => http2.connect(`http://127.0.0.1:${each}`));
    await Promise.all(sessions.map((session) => new Promise((resolve) => session.once('remoteSettings', resolve))));
    expect(await metrics()).toMatch(/inferflow_connections\{[^}]*protocol="h2"[^}]*\} 2/);
    const gone = sessions.map((session) => new Promise((resolve) => session.once('close', resolve)));
    await Promise.all([server.shutdown(), ...gone]);
  });

  it('refuses settings that do not go together', async () => {
    const problems = async (environment: Readonly<Record<string, string>>) =>
      start(environment).then(
        () => [],
        (error: unknown) => (error as ServerStartError).problems,
      );
    expect((await problems({ INFERFLOW_FULL_PORT: '8086' })).join()).toContain('INFERFLOW_LEAN_LISTENER');
    expect((await problems({ ...lean, APP_PORT: '8086', INFERFLOW_FULL_PORT: '8086' })).join()).toContain('the same port');
  });
});
