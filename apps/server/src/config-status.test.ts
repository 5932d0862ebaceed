import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { connectNodeAdapter, createGrpcTransport } from '@connectrpc/connect-node';
import { GRPCInferenceService, Predict } from '@inferflow/proto';
import { afterEach, describe, expect, it } from 'vitest';
import type { ConfigReport, ModelReport } from './config-status.js';
import { type StockServer, startStockServer } from './testing/stock-server.js';
import { cyclicModel, sumModel, sumRequest } from './testing/sum-model.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(...given: Parameters<typeof startStockServer>): Promise<StockServer> {
  const stock = await startStockServer(...given);
  closers.push(() => stock.close());
  return stock;
}

async function report(stock: StockServer, headers: Record<string, string> = {}): Promise<ConfigReport> {
  const response = await fetch(`http://127.0.0.1:${stock.port}/config`, { headers });
  expect(response.status).toBe(200);
  return (await response.json()) as ConfigReport;
}

const modelIn = ({ models }: ConfigReport, id: string): ModelReport | undefined => models.find((model) => model.id === id);

/** A model server that describes its models and answers nothing else. */
async function modelServer(shape: { width: number; delayMs?: number }) {
  let questions = 0;
  const tensor = (name: string, width: number) => ({ name, datatype: 'FP32', shape: [-1n, BigInt(width)] });
  const handler = connectNodeAdapter({
    routes: (router) =>
      router.service(GRPCInferenceService, {
        async modelMetadata({ name }) {
          questions++;
          await new Promise((resolve) => setTimeout(resolve, shape.delayMs ?? 0));
          return { name, versions: ['1'], inputs: [tensor('in', shape.width)], outputs: [tensor('out', 1)] };
        },
      }),
  });
  const server = http2.createServer(handler);
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, questions: () => questions };
}

const rankModel = (port: number, features: readonly string[] = ['a']) => ({
  dag_execution_config: { component_dependency: { rank: ['feature_initializer'] } },
  component_config: {
    predator_components: [
      {
        component: 'rank',
        component_id: 'item',
        model_name: 'ranker',
        model_end_point: `127.0.0.1:${port}`,
        deadline: 1000,
        batch_size: 10,
        inputs: [{ name: 'in', features, shape: [features.length], data_type: 'FP32' }],
        outputs: [{ name: 'out', model_scores: ['s'], model_scores_dims: [[1]], data_type: 'FP32' }],
      },
    ],
  },
  response_config: { features: ['item', 's'] },
});

describe('GET /config', () => {
  it('says of every model what became of its newest version, and what serves', async () => {
    const stock = await start({ sum: sumModel(), broken: cyclicModel }, { APP_NAME: 'shop' });
    const first = await report(stock);
    expect(first).toMatchObject({
      service: 'shop',
      version: expect.stringMatching(/^\d/),
      source: { kind: 'directory', state: 'live', reason: '' },
    });
    const sum = modelIn(first, 'sum');
    expect(sum).toMatchObject({ state: 'live', reason: '', hash: sum?.liveHash, liveHash: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(Date.parse(sum?.since ?? '')).toBeGreaterThan(Date.now() - 60_000);
    const broken = modelIn(first, 'broken');
    expect(broken).toMatchObject({ state: 'rejected', reason: expect.stringContaining('INFERFLOW_CONFIG_') });
    expect(broken?.reason).toMatch(/no version serves$/);
    expect(broken).not.toHaveProperty('liveHash');
    expect(broken?.problems?.[0]).toMatchObject({ severity: 'error', path: expect.stringMatching(/^\$/) });

    stock.setModel('sum', cyclicModel);
    await expect.poll(async () => modelIn(await report(stock), 'sum')?.state, { timeout: 5000 }).toBe('rejected');
    const refused = modelIn(await report(stock), 'sum');
    expect(refused).toMatchObject({ liveHash: sum?.liveHash, reason: expect.stringMatching(/the last good version serves$/) });
    expect(refused?.hash).not.toBe(sum?.liveHash);
    expect(refused?.revision).not.toBe(sum?.revision);
    const metrics = await (await fetch(`http://127.0.0.1:${stock.port}/metrics`)).text();
    expect(metrics).toContain('inferflow_config_model_state{model_id="sum",state="rejected"} 1');
    expect(metrics).toContain('inferflow_config_model_refused{model_id="sum",code="INFERFLOW_CONFIG_');
    const liveNumber = Number.parseInt(sum?.liveHash?.slice(0, 12) ?? '', 16);
    expect(metrics).toContain(`inferflow_config_model_hash{model_id="sum",version="live"} ${liveNumber}`);
    expect(stock.lines().find(({ modelConfigId, level }) => modelConfigId === 'sum' && level === 'error')).toMatchObject({
      state: 'rejected',
      configHash: sum?.liveHash,
      newestHash: refused?.hash,
      revision: refused?.revision,
    });
  });

  it('is for those who may see metrics', async () => {
    const callers = `ops ${createHash('sha256').update('secret').digest('hex')}\n`;
    const stock = await start({ sum: sumModel() }, { INFERFLOW_AUTH_FILE: '$DIR/callers' }, { callers });
    expect((await fetch(`http://127.0.0.1:${stock.port}/config`)).status).toBe(401);
    const allowed = await report(stock, { 'inferflow-caller-id': 'ops', 'inferflow-auth-token': 'secret' });
    expect(modelIn(allowed, 'sum')?.state).toBe('live');
  });

  it('is in a file too, which is replaced whole, and written when it can be again', async () => {
    const stock = await start({ sum: sumModel() }, { INFERFLOW_STATUS_FILE: '$DIR/status/now.json' });
    const file = join(stock.directory, 'status', 'now.json');
    await expect.poll(() => stock.lines().some(({ msg }) => String(msg).includes('cannot be written')), { timeout: 5000 }).toBe(true);
    mkdirSync(join(stock.directory, 'status'));
    stock.setModel('other', sumModel());
    const read = () => JSON.parse(readFileSync(file, 'utf8')) as ConfigReport;
    await expect
      .poll(
        () =>
          read()
            .models.map(({ id }) => id)
            .sort(),
        { timeout: 5000 },
      )
      .toEqual(['other', 'sum']);
    rmSync(join(stock.directory, 'models', 'other.json'));
    await expect.poll(() => read().models.length, { timeout: 5000 }).toBe(1);
    expect(read()).toEqual(await report(stock));
  });
});

describe('a new version', () => {
  it('is held against what its model server says before it serves, and is refused for a proven mismatch alone', async () => {
    const upstream = { width: 1 };
    const { port, questions } = await modelServer(upstream);
    const stock = await start({ rank: rankModel(port), down: rankModel(1) });
    const first = await report(stock);
    expect(first.models.map(({ state }) => state)).toEqual(['live', 'live']);
    expect(questions()).toBe(1);
    stock.setModel('rank', rankModel(port, ['a', 'b']));
    await expect.poll(async () => modelIn(await report(stock), 'rank')?.state, { timeout: 5000 }).toBe('rejected');
    const refused = modelIn(await report(stock), 'rank');
    expect(refused?.liveHash).toBe(modelIn(first, 'rank')?.liveHash);
    expect(refused?.problems?.[0]).toMatchObject({
      code: 'INFERFLOW_CONFIG_UPSTREAM_MISMATCH',
      path: '$.component_config.predator_components[0].inputs[0].shape',
      message: expect.stringContaining('takes [-1, 1]'),
    });
  });

  it('does not wait long for a slow model server, and delays no other model', async () => {
    const { port, questions } = await modelServer({ width: 1, delayMs: 60_000 });
    const stock = await start({ sum: sumModel() });
    const seen: string[] = [];
    stock.server.engine.onSnapshot(({ models }) => seen.push([...models].map(([id, { state }]) => `${id}:${state}`).join(' ')));
    stock.setModel('slow', rankModel(port, ['a', 'b']));
    await expect.poll(() => questions(), { timeout: 5000 }).toBe(1);
    stock.setModel('sum', sumModel({ description: 'other' }));
    await expect.poll(async () => modelIn(await report(stock), 'slow')?.state, { timeout: 5000 }).toBe('live');
    expect(seen.some((states) => states.includes('slow:warming'))).toBe(true);
  });

  it('that is the first of its model is told from one that was refused while it is prepared', async () => {
    const { port, questions } = await modelServer({ width: 1, delayMs: 60_000 });
    const stock = await start({ sum: sumModel() });
    const predict = createClient(Predict, createGrpcTransport({ baseUrl: `http://127.0.0.1:${stock.port}` }));
    stock.setModel('slow', rankModel(port));
    await expect.poll(() => questions(), { timeout: 5000 }).toBe(1);
    const error = await predict.inferPointWise(sumRequest('slow')).catch((reason: unknown) => ConnectError.from(reason));
    // On a busy machine it may serve by now.
    if (error instanceof ConnectError && error.code === Code.FailedPrecondition) expect(error.message).toContain('being prepared');
  });
});
