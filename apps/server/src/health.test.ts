import { createClient, createRouterTransport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { Health, HealthCheckResponse_ServingStatus } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { addHealth, Readiness } from './health.js';
import { startStockServer } from './testing/stock-server.js';
import { sumModel } from './testing/sum-model.js';

const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;

describe('addHealth', () => {
  it('tells watchers that the server goes, and lets them go once it does', async () => {
    const readiness = new Readiness({ ready: true, readyReason: '' });
    const transport = createRouterTransport((router) => addHealth(router, readiness, []));
    const statuses: number[] = [];
    const watching = (async () => {
      for await (const { status } of createClient(Health, transport).watch({})) statuses.push(status);
    })();
    await expect.poll(() => statuses).toEqual([SERVING]);
    readiness.drain();
    await expect.poll(() => statuses).toEqual([SERVING, NOT_SERVING]);
    readiness.leave();
    await watching;
    expect(statuses).toEqual([SERVING, NOT_SERVING]);
  });

  it('does not hold up a shutdown with a watch', async () => {
    const stock = await startStockServer({ sum: sumModel() }, { INFERFLOW_SHUTDOWN_GRACE_MS: '600000' });
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${stock.port}` });
    const statuses: number[] = [];
    const watching = (async () => {
      for await (const { status } of createClient(Health, transport).watch({})) statuses.push(status);
    })();
    await expect.poll(() => statuses).toEqual([SERVING]);
    await stock.close();
    await watching;
    expect(statuses).toEqual([SERVING, NOT_SERVING]);
  });
});
