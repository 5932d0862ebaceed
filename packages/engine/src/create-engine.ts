import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import { builtIns, createFeatureCache, createRegistry, type Registry } from '@inferflow/components';
import type { ConfigSnapshot } from '@inferflow/config';
import { MemoryPool } from '@inferflow/matrix';
import {
  InferflowRequestProtoSchema,
  InferflowResponseProtoSchema,
  PairWiseRequestSchema,
  PairWiseResponseSchema,
  PointWiseRequestSchema,
  PointWiseResponseSchema,
  SlateWiseRequestSchema,
  SlateWiseResponseSchema,
} from '@inferflow/proto';
import { createNoTelemetry, Metric } from '@inferflow/telemetry';
import { LoopLoad, warnOfThrow } from '@inferflow/transport';
import { ProcessLoad } from './admission/process-load.js';
import { createCacheReport } from './cache-report.js';
import { checkCallOptions, messageBytes } from './check-call.js';
import { checkSnapshot } from './check-engine-options.js';
import { checkRankRequest } from './check-rank-request.js';
import { explainPlan } from './compile/explain-plan.js';
import { resolveBackends } from './embed/embedded-backends.js';
import type { CallOptions, Engine, EngineMethod } from './engine.js';
import type { EngineOptions } from './engine-options.js';
import { EngineError } from './errors.js';
import { guardLogger } from './guard-logger.js';
import { createHotMethods } from './hot-methods.js';
import { createEngineMetrics } from './metrics.js';
import { ModelTable } from './model-table.js';
import { rank } from './rank.js';
import { RequestDoor } from './request-door.js';
import { type ResolvedEngineOptions, resolveEngineOptions } from './resolve-engine-options.js';
import { IdleBudget } from './run/run-pool.js';
import { callInfoOf, transcode } from './transcode.js';
import { ModelWarmer } from './warm/model-warmer.js';

/**
 * Starts an engine: reads the configuration, compiles every model, and is ready to answer when the promise settles. A model that cannot
 * be compiled is refused alone.
 * @throws EngineError INFERFLOW_ENGINE_OPTIONS_INVALID, also for a source that gives no snapshot, and what a source throws that cannot be read
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const resolved = resolveEngineOptions(options);
  const backendsFor = resolveBackends(options, resolved.defaults);
  const telemetry = options.telemetry ?? createNoTelemetry();
  const metrics = createEngineMetrics(telemetry);
  const pool = new MemoryPool();
  const evicted = telemetry.counter(Metric.featureCacheEvictions);
  const cache = resolved.featureCacheBytes === 0 ? null : createFeatureCache({ maxBytes: resolved.featureCacheBytes, evicted });
  const load = new ProcessLoad(new LoopLoad());
  const logger = options.logger ? guardLogger(options.logger) : null;
  const table = new ModelTable({
    registry: registryOf(options.registry),
    backendsFor,
    pool,
    cache,
    shareFetches: resolved.shareFetches,
    wasm: resolved.wasm,
    featureParallelBatches: resolved.defaults.featureParallelBatches,
    componentLimits: { maxAnswerBytes: resolved.maxAnswerBytes, maxParallelCalls: resolved.defaults.slateParallelCalls },
    compat: resolved.compat,
    metrics,
    boundPlansPerModel: resolved.boundPlansPerModel,
    maxInFlight: resolved.limits.maxInFlight,
    load,
  });
  const memory = { pool, idleRuns: resolved.idleRunsPerPlan, idleBudget: new IdleBudget(resolved.idleRuns) };
  const door = new RequestDoor({
    table,
    limits: resolved.limits,
    defaults: resolved.defaults,
    metrics,
    memory,
    load,
    logTap: options.logTap ?? null,
    logger,
    now: resolved.now,
  });
  const reportCache = cache === null ? null : createCacheReport(telemetry, cache);
  const collect = (): void => {
    telemetry.gauge(Metric.requestsInFlight).set(door.inFlight);
    for (const [modelConfigId, { plan }] of table.models) {
      if (plan === null) continue;
      telemetry.gauge(Metric.requestsWaiting, { model_id: modelConfigId }).set(plan.gate.waiting);
      telemetry.gauge(Metric.admissionLimit, { model_id: modelConfigId }).set(plan.gate.limit);
    }
    telemetry.gauge(Metric.poolOutstanding).set(pool.outstandingBytes);
    telemetry.gauge(Metric.poolIdle).set(pool.idleBytes);
    telemetry.gauge(Metric.poolAbandoned).set(pool.abandonedBytes);
    for (const { plan } of table.models.values())
      for (const { bindings } of plan?.boundPlans.all ?? []) plan?.metrics.countLateEnds(bindings);
    reportCache?.();
  };
  const listeners = new Set<(snapshot: ConfigSnapshot) => void>();
  const publish = (snapshot: ConfigSnapshot): void => {
    checkSnapshot(snapshot, options.configSource.description);
    table.publish(snapshot);
    // It serves, whatever those throw who are told.
    for (const listener of listeners) {
      try {
        listener(snapshot);
      } catch (err) {
        if (logger === null) warnOfThrow('a listener of onSnapshot', err);
        else logger.error({ err }, 'a listener of onSnapshot threw');
      }
    }
  };
  // Functions of the program are ready when it is.
  const warmer = options.backends === undefined ? null : new ModelWarmer();
  const first = await options.configSource.start(
    publish,
    (config) => table.accept(config),
    warmer === null ? undefined : (config) => table.warm(config, warmer, memory),
  );
  try {
    checkSnapshot(first, options.configSource.description);
  } catch (error) {
    await options.configSource.close();
    throw error;
  }
  // While this waited, the source may have told of a later one.
  if (table.snapshot === null) table.publish(first);
  const removeHook = telemetry.onCollect(collect);
  const stopCollecting = (): void => {
    // What happened since the last flush belongs into the next.
    collect();
    removeHook();
  };
  return buildEngine(options, resolved, table, door, listeners, stopCollecting);
}

function registryOf(given: Registry | undefined): Registry {
  const registry = given ?? createRegistry();
  if (!registry.frozen) for (const definition of builtIns) if (registry.get(definition.type) === undefined) registry.register(definition);
  registry.freeze();
  return registry;
}

function buildEngine(
  options: EngineOptions,
  resolved: ResolvedEngineOptions,
  table: ModelTable,
  door: RequestDoor,
  listeners: Set<(snapshot: ConfigSnapshot) => void>,
  stopCollecting: () => void,
): Engine {
  let closing: Promise<void> | null = null;
  const call = async <I extends DescMessage, O extends DescMessage>(
    method: EngineMethod,
    input: I,
    output: O,
    request: MessageShape<I>,
    callOptions: CallOptions | undefined,
  ): Promise<MessageShape<O>> => {
    checkCallOptions(callOptions);
    return fromBinary(output, await transcode(door, method, messageBytes(input, request), callInfoOf(callOptions)));
  };
  return {
    inferPointWise: (request, callOptions) => call('InferPointWise', PointWiseRequestSchema, PointWiseResponseSchema, request, callOptions),
    inferPairWise: (request, callOptions) => call('InferPairWise', PairWiseRequestSchema, PairWiseResponseSchema, request, callOptions),
    inferSlateWise: (request, callOptions) => call('InferSlateWise', SlateWiseRequestSchema, SlateWiseResponseSchema, request, callOptions),
    retrieveModelScore: (request, callOptions) =>
      call('RetrieveModelScore', InferflowRequestProtoSchema, InferflowResponseProtoSchema, request, callOptions),
    async rank(modelConfigId, request) {
      checkRankRequest(request);
      const plan = table.get(modelConfigId)?.plan ?? null;
      return rank(modelConfigId, request, plan, (message, info) => transcode(door, 'InferPointWise', message, info), callInfoOf(request));
    },
    hotMethods: (toGrpcStatus) => createHotMethods(door, resolved.limits.maxMessageBytes, toGrpcStatus),
    handle: (method, requestBytes, info) => transcode(door, method, requestBytes, info),
    explainPlan(modelConfigId) {
      const plan = table.get(modelConfigId)?.plan;
      return plan == null ? undefined : explainPlan(plan);
    },
    get snapshot() {
      if (table.snapshot === null) throw new EngineError('INFERFLOW_ENGINE_NOT_READY', 'the engine has no configuration yet');
      return table.snapshot;
    },
    get ready() {
      return this.readyReason === '';
    },
    get readyReason() {
      if (closing !== null) return 'the engine is closed';
      if (table.models.size === 0) return 'there is no model';
      return [...table.models.values()].some(({ plan }) => plan !== null) ? '' : 'every model was refused';
    },
    onSnapshot(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get inFlight() {
      return door.inFlight;
    },
    close(graceMs = 5_000) {
      closing ??= (async () => {
        // Refuses at once, whatever the source does.
        const drained = door.close(graceMs);
        try {
          await options.configSource.close();
        } finally {
          await drained;
          stopCollecting();
        }
      })();
      return closing;
    },
  };
}
