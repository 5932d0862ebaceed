import { create, toBinary } from '@bufbuild/protobuf';
import { noBackends } from '@inferflow/components';
import { createObjectSource } from '@inferflow/config';
import { MemoryPool } from '@inferflow/matrix';
import { PointWiseRequestSchema } from '@inferflow/proto';
import { createNoTelemetry, type Telemetry } from '@inferflow/telemetry';
import { type BodyWriter, CallScope } from '@inferflow/transport';
import type { Caller } from '../caller.js';
import type { EngineError } from '../errors.js';
import type { LogTap } from '../log-tap.js';
import { createEngineMetrics } from '../metrics.js';
import { ModelTable } from '../model-table.js';
import { RequestDoor } from '../request-door.js';
import { resolveEngineOptions } from '../resolve-engine-options.js';
import { IdleBudget } from '../run/run-pool.js';
import { modelConfig } from './model-config.js';
import { type PluginBehaviour, plugin, registryOf } from './plugins.js';
import { text } from './read-answer.js';

/** A caller that keeps what it is told. */
export class TestCaller implements Caller {
  readonly scope: CallScope;
  readonly headers: Readonly<Record<string, string>>;
  answer: Uint8Array | null = null;
  error: EngineError | null = null;
  readonly #target: Uint8Array | null;

  constructor(headers: Readonly<Record<string, string>> = {}, target: Uint8Array | null = null, deadline = Number.POSITIVE_INFINITY) {
    this.scope = new CallScope(deadline);
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

/** What a test wants of a door. */
export interface DoorSettings {
  readonly logTap?: LogTap | null;
  readonly telemetry?: Telemetry;
  readonly pool?: MemoryPool;
  /** Components of model `m` and what they do. @default one that doubles the column `v` into the answered column `a` */
  readonly plugins?: readonly ReturnType<typeof plugin>[];
  /** What components wait for. */
  readonly waits?: Readonly<Record<string, readonly string[]>>;
  readonly behaviours?: Readonly<Record<string, PluginBehaviour>>;
}

const double: PluginBehaviour = (run) => {
  for (let row = 0; row < run.rowCount; row++) run.output(row, run.input(row) * 2);
};

/** A door for models `m` and `other`, which are alike, without upstreams. */
export async function openDoor({
  logTap = null,
  telemetry = createNoTelemetry(),
  pool = new MemoryPool(),
  plugins = [plugin('p', 'double', 'v', 'a')],
  waits = {},
  behaviours = {},
}: DoorSettings = {}) {
  const config = modelConfig({ plugins, waits, answer: ['item', 'a'] });
  const source = createObjectSource({ m: config, other: config });
  const resolved = resolveEngineOptions({ configSource: source, boundPlansPerModel: 3, limits: { maxTargets: 1000 } });
  const registry = registryOf({ double, ...behaviours });
  registry.freeze();
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

/** A request of rows `t0`, `t1` … whose feature `v` is their number. */
export function request(rows: number, extraFeature?: string, modelConfigId = 'm'): Uint8Array {
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
