import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { create, toBinary } from '@bufbuild/protobuf';
import { PointWiseRequestSchema } from '@inferflow/proto';
import { createTelemetry } from '@inferflow/telemetry';
import { describe, expect, it } from 'vitest';
import type { RequestRecord } from './log-tap.js';
import { openDoor, request, TestCaller } from './testing/open-door.js';
import { plugin } from './testing/plugins.js';

describe('RequestDoor', () => {
  it('answers before it returns when no component waits, and gives everything back', async () => {
    const { door, pool, plan } = await openDoor();
    const message = request(100);
    const ask = () => {
      const caller = new TestCaller();
      door.begin('InferPointWise', caller, message);
      expect(caller.error).toBeNull();
      return caller.answer;
    };
    const first = ask();
    for (let round = 0; round < 200; round++) ask();
    expect(first?.length).toBeGreaterThan(100 * 10);
    expect(pool.outstanding).toBe(0);
    expect(pool.strayReleases).toBe(0);
    const [bound] = plan.boundPlans.all;
    expect(bound?.runs.created).toBe(1);
    expect(bound?.runs.idle).toBe(1);
    expect(pool.created).toBeLessThanOrEqual(4);
  });

  it('allocates little per request once it is warm', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const { door } = await openDoor();
    const message = request(100);
    const target = new Uint8Array(100_000);
    const batch = (count: number) => {
      for (let index = 0; index < count; index++) door.begin('InferPointWise', new TestCaller({}, target), message);
    };
    batch(3000);
    const perRequest: number[] = [];
    for (let round = 0; round < 9; round++) {
      gc();
      const before = process.memoryUsage().heapUsed;
      batch(100);
      perRequest.push((process.memoryUsage().heapUsed - before) / 100);
    }
    const median = perRequest.sort((left, right) => left - right)[4] ?? Number.NaN;
    // 100 rows: nothing per row or cell may remain, or this would be many times as much.
    expect(median).toBeLessThan(8 * 1024);
  });

  it('keeps the layouts of the last request schemas, and no more', async () => {
    const { door, plan } = await openDoor();
    for (const name of ['a1', 'a2', 'a3', 'a1', 'a4', 'a1']) door.begin('InferPointWise', new TestCaller(), request(1, name));
    expect(plan.boundPlans.size).toBe(3);
    expect(plan.boundPlans.all.map(({ schema }) => schema.rows[2]?.name).sort()).toEqual(['a1', 'a3', 'a4']);
  });

  it('lets logging keep the matrices of a request while others run', async () => {
    const kept: RequestRecord[] = [];
    const { door, pool } = await openDoor({
      logTap: {
        wants: (plan, { userId, trackingId, rowCount, isSampled: _ }) =>
          plan.modelConfigId === 'm' && userId === 'u-1' && trackingId === 'track-1' && rowCount > 0,
        taken: (record) => kept.push(record),
      },
    });
    door.begin('InferPointWise', new TestCaller({ 'user-id': 'u-1' }), request(2));
    door.begin('InferPointWise', new TestCaller({ 'user-id': 'u-2' }), request(3));
    door.begin('InferPointWise', new TestCaller({ 'user-id': 'u-1' }), request(4));
    expect(kept.map(({ rowCount }) => rowCount)).toEqual([2, 4]);
    const [first, second] = kept;
    const valuesOf = (record: RequestRecord | undefined) => {
      const source = record?.target('a');
      if (record === undefined || source == null) throw new Error('no column a');
      return [...record.matrix.reader(source).toFloat32Array()];
    };
    expect(valuesOf(first)).toEqual([0, 2]);
    expect(valuesOf(second)).toEqual([0, 2, 4, 6]);
    expect(first?.isSampled(100)).toBe(true);
    expect(first?.header('user-id')).toBe('u-1');
    first?.release();
    first?.release();
    second?.release();
    expect(pool.outstanding).toBe(0);
    expect(pool.strayReleases).toBe(0);
  });

  it('has nobody suffer from a caller that cannot be told', async () => {
    const waiting: { fail(): void; end(): void }[] = [];
    const { door, plan, pool } = await openDoor({
      plugins: [plugin('p', 'later', 'v', 'a', 'fail')],
      behaviours: {
        later: (run) =>
          new Promise((resolve, reject) => {
            waiting.push({ fail: () => reject(new Error('as it should')), end: () => resolve(run.output(0, 5)) });
          }),
      },
    });
    const callers = Array.from({ length: 40 }, () => new TestCaller());
    const first = callers[0] as TestCaller;
    first.refuse = () => {
      throw new Error('the stream is gone');
    };
    for (const caller of callers) door.begin('InferPointWise', caller, request(1));
    expect(plan.gate.waiting).toBeGreaterThan(0);
    // The place of the first is that of the next at once.
    waiting.shift()?.fail();
    await new Promise((resolve) => setImmediate(resolve));
    while (door.inFlight > 0) {
      for (const one of waiting.splice(0)) one.end();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(callers.filter(({ answer }) => answer !== null)).toHaveLength(39);
    expect(callers.filter(({ error }) => error !== null)).toEqual([]);
    expect([plan.gate.inside, plan.gate.waiting, pool.outstanding]).toEqual([0, 0, 0]);
  });

  it('knows whether all requests of the last minute were for one model', async () => {
    const { door } = await openDoor();
    const ask = (modelConfigId: string) => door.begin('InferPointWise', new TestCaller(), request(1, undefined, modelConfigId));
    const inMs = (ms: number) => door.models.isOne(performance.now() + ms);
    for (let count = 0; count < 3; count++) ask('m');
    ask('nobody');
    expect(inMs(0)).toBe(true);
    ask('other');
    expect([inMs(0), inMs(59_000), inMs(61_000)]).toEqual([false, false, true]);
    ask('m');
    expect(inMs(0)).toBe(false);
  });

  it('tells diagnostics channels about requests and components', async () => {
    const seen: [string, unknown][] = [];
    const listen = (message: unknown, name: string | symbol) => seen.push([String(name), message]);
    const names = ['inferflow:request:start', 'inferflow:request:end', 'inferflow:component:end'];
    for (const name of names) subscribe(name, listen);
    const { door } = await openDoor();
    door.begin('InferPointWise', new TestCaller(), request(2));
    for (const name of names) unsubscribe(name, listen);
    door.begin('InferPointWise', new TestCaller(), request(2));
    expect(seen).toEqual([
      ['inferflow:request:start', { method: 'InferPointWise', byteLength: expect.any(Number) }],
      ['inferflow:component:end', { modelConfigId: 'm', componentName: 'p', reason: '', durationMs: expect.any(Number) }],
      [
        'inferflow:request:end',
        { method: 'InferPointWise', modelConfigId: 'm', rowCount: 2, faultyRows: 0, durationMs: expect.any(Number), code: '' },
      ],
    ]);
  });

  it('counts requests, components, cells and layouts', async () => {
    const telemetry = createTelemetry({ prometheus: true, statsd: null });
    const { door } = await openDoor({ telemetry });
    door.begin('InferPointWise', new TestCaller(), request(3));
    door.begin('InferPointWise', new TestCaller(), request(2));
    door.begin(
      'InferPointWise',
      new TestCaller(),
      toBinary(PointWiseRequestSchema, create(PointWiseRequestSchema, { modelConfigId: 'made-up' })),
    );
    const lines = (await telemetry.prometheusText()).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'inferflow_router_api_request_total{api="/Predict/InferPointWise",status="0"} 2',
        'inferflow_router_api_request_total{api="/Predict/InferPointWise",status="3"} 1',
        'predict_infer_request_total{model_id="m",inference_mode="pointwise"} 2',
        'predict_infer_request_total{model_id="unknown",inference_mode="pointwise"} 1',
        'predict_infer_request_batch_size_total{model_id="m",inference_mode="pointwise"} 5',
        'inferflow_component_execution_total{model_id="m",component_name="p"} 2',
        'inferflow_cells_total{model_id="m",component_name="p",status="fresh"} 5',
        'inferflow_bind_cache_request_total{model_id="m",result="hit"} 1',
        'inferflow_bind_cache_request_total{model_id="m",result="miss"} 1',
      ]),
    );
    expect(lines.join('\n')).not.toContain('made-up');
    await telemetry.close();
  });
});
