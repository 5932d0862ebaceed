import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { create, toBinary } from '@bufbuild/protobuf';
import { noBackends } from '@inferflow/components';
import { createObjectSource } from '@inferflow/config';
import { MemoryPool } from '@inferflow/matrix';
import { PointWiseRequestSchema } from '@inferflow/proto';
import { createNoTelemetry, createTelemetry, type Telemetry } from '@inferflow/telemetry';
import { type BodyWriter, CallScope } from '@inferflow/transport';
import { describe, expect, it } from 'vitest';
import type { Caller } from './caller.js';
import type { EngineError } from './errors.js';
import type { LogTap, RequestRecord } from './log-tap.js';
import { createEngineMetrics } from './metrics.js';
import { ModelTable } from './model-table.js';
import { RequestDoor } from './request-door.js';
import { resolveEngineOptions } from './resolve-engine-options.js';
import { IdleBudget } from './run/run-pool.js';
import { modelConfig } from './testing/model-config.js';
import { plugin, registryOf } from './testing/plugins.js';
import { text } from './testing/read-answer.js';

class TestCaller implements Caller {
  readonly scope = new CallScope();
  readonly headers: Readonly<Record<string, string>>;
  answer: Uint8Array | null = null;
  error: EngineError | null = null;
  readonly #target: Uint8Array | null;

  constructor(headers: Readonly<Record<string, string>> = {}, target: Uint8Array | null = null) {
    this.headers = headers;
    this.#target = target;
  }

  header(name: string): string | undefined {
    return this.headers[name];
  }

  headerValues(name: string): readonly string[] {
    return this.headers[name] === undefined ? [] : [this.headers[name]];
  }

  respond(body: BodyWriter): void {
    this.answer = this.#target ?? new Uint8Array(body.byteLength);
    body.write(this.answer, 0);
    this.scope.end('done');
  }

  refuse(error: EngineError): void {
    this.error = error;
  }
}

async function openDoor({ logTap = null, telemetry = createNoTelemetry() }: { logTap?: LogTap | null; telemetry?: Telemetry } = {}) {
  const config = modelConfig({ plugins: [plugin('p', 'double', 'v', 'a')], answer: ['item', 'a'] });
  const source = createObjectSource({ m: config, other: config });
  const resolved = resolveEngineOptions({ configSource: source, boundPlansPerModel: 3, limits: { maxTargets: 1000 } });
  const registry = registryOf({
    double: (run) => {
      for (let row = 0; row < run.rowCount; row++) run.output(row, run.input(row) * 2);
    },
  });
  registry.freeze();
  const pool = new MemoryPool();
  const metrics = createEngineMetrics(telemetry);
  const table = new ModelTable({
    registry,
    backendsFor: () => ({ backends: noBackends, problems: [] }),
    pool,
    cache: null,
    shareFetches: true,
    wasm: true,
    featureParallelBatches: 4,
    componentLimits: { maxAnswerBytes: 1000, maxParallelCalls: 4 },
    compat: false,
    metrics,
    boundPlansPerModel: resolved.boundPlansPerModel,
    maxInFlight: resolved.limits.maxInFlight,
    load: null,
  });
  table.publish(
    await source.start(
      () => {},
      (config) => table.accept(config),
    ),
  );
  const door = new RequestDoor({
    table,
    limits: resolved.limits,
    defaults: resolved.defaults,
    metrics,
    memory: { pool, idleRuns: 4, idleBudget: new IdleBudget(100) },
    load: null,
    logTap,
    logger: null,
    now: () => Date.UTC(2026, 1, 16),
  });
  const plan = table.get('m')?.plan;
  if (plan == null) throw new Error(JSON.stringify(table.get('m')?.entry.problems));
  return { door, pool, plan };
}

function request(rows: number, extraFeature?: string, modelConfigId = 'm'): Uint8Array {
  return toBinary(
    PointWiseRequestSchema,
    create(PointWiseRequestSchema, {
      modelConfigId,
      trackingId: 'track-1',
      targetInputSchema: [{ name: 'v' }, ...(extraFeature === undefined ? [] : [{ name: extraFeature }])],
      targets: Array.from({ length: rows }, (_, row) => ({ id: `t${row}`, featureValues: [text(String(row))] })),
    }),
  );
}

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
