import type { Backends, ComponentMetrics, Failure, FailureReason } from '@inferflow/components';
import type { ComponentConfig, ModelConfig } from '@inferflow/config';
import { OutcomeStatus, outcomeStatusName } from '@inferflow/dag';
import { CellStatus, cellStatusName } from '@inferflow/matrix';
import { type Counter, type Histogram, type Labels, Metric, type Telemetry } from '@inferflow/telemetry';
import { GrpcCode } from '@inferflow/transport';
import type { BindMetrics } from './compile/bound-plans.js';
import { type EngineMethod, engineMethodPaths } from './engine.js';
import type { EngineErrorKind } from './errors.js';
import type { RequestRun } from './run/request-run.js';

/** Label of everything that a caller makes up, so that callers cannot grow the label sets. */
const UNKNOWN = 'unknown';

const modes: Readonly<Record<EngineMethod, string>> = {
  InferPointWise: 'pointwise',
  InferPairWise: 'pairwise',
  InferSlateWise: 'slatewise',
  RetrieveModelScore: '',
};

/** gRPC code under which metrics count an error kind. */
const statusOfKind: Readonly<Record<EngineErrorKind, number>> = {
  invalid_argument: GrpcCode.INVALID_ARGUMENT,
  failed_precondition: GrpcCode.FAILED_PRECONDITION,
  resource_exhausted: GrpcCode.RESOURCE_EXHAUSTED,
  deadline_exceeded: GrpcCode.DEADLINE_EXCEEDED,
  unavailable: GrpcCode.UNAVAILABLE,
  cancelled: GrpcCode.CANCELLED,
  internal: GrpcCode.INTERNAL,
};

interface ApiChild {
  readonly total: Counter;
  readonly latency: Histogram;
}

/** Children that do not belong to a model. */
export interface EngineMetrics {
  readonly telemetry: Telemetry;
  /** Every RPC. `kind` null = answered. */
  rpcEnded(method: EngineMethod, kind: EngineErrorKind | null, durationMs: number): void;
  /** A Predict call whose model is not known. */
  unknownModel(method: EngineMethod): void;
  readonly cancelled: Counter;
}

/** Binds the children of an engine. */
export function createEngineMetrics(telemetry: Telemetry): EngineMetrics {
  const children = new Map<string, ApiChild>();
  const apiChild = (method: EngineMethod, status: number): ApiChild => {
    const key = `${method}${status}`;
    let child = children.get(key);
    if (child === undefined) {
      const labels = { api: engineMethodPaths[method], status: String(status) };
      child = { total: telemetry.counter(Metric.requests, labels), latency: telemetry.histogram(Metric.requestLatency, labels) };
      children.set(key, child);
    }
    return child;
  };
  const ok: Readonly<Record<EngineMethod, ApiChild>> = {
    InferPointWise: apiChild('InferPointWise', 0),
    InferPairWise: apiChild('InferPairWise', 0),
    InferSlateWise: apiChild('InferSlateWise', 0),
    RetrieveModelScore: apiChild('RetrieveModelScore', 0),
  };
  return {
    telemetry,
    rpcEnded(method, kind, durationMs) {
      const child = kind === null ? ok[method] : apiChild(method, statusOfKind[kind]);
      child.total.add(1);
      child.latency.observeMs(durationMs);
    },
    unknownModel(method) {
      if (method !== 'RetrieveModelScore') {
        telemetry.counter(Metric.predictRequests, { model_id: UNKNOWN, inference_mode: modes[method] }).add(1);
      }
    },
    cancelled: telemetry.counter(Metric.requestsCancelled),
  };
}

interface ModeChild {
  readonly total: Counter;
  readonly latency: Histogram;
  readonly batchSize: Counter;
}

/** Children of one plan, bound when it compiles. */
export interface PlanMetrics extends BindMetrics {
  /** Before anything is checked. */
  requested(method: EngineMethod): void;
  answered(method: EngineMethod, batchSize: number, durationMs: number): void;
  readonly budgetExceeded: Counter;
  readonly discarded: Counter;
  component(name: string): PlanComponentMetrics;
  /** Counts how the components of a run ended and what they stored. */
  runEnded(run: RequestRun): void;
}

/** Children of one component. */
export interface PlanComponentMetrics {
  /** What the component itself observes. */
  readonly inner: ComponentMetrics;
  ended(failure: Failure | null, status: OutcomeStatus, durationMs: number): void;
  rowsFailed(failure: Failure, rows: number): void;
  cells(status: CellStatus, count: number): void;
}

/** Binds the children of a model. */
export function createPlanMetrics(engine: EngineMetrics, config: ModelConfig, backends: Backends): PlanMetrics {
  const { telemetry } = engine;
  const model = { model_id: config.modelConfigId };
  const modeChild = (method: EngineMethod): ModeChild => {
    if (method === 'RetrieveModelScore') {
      return {
        total: telemetry.counter(Metric.retrieveModelScoreRequests, model),
        latency: telemetry.histogram(Metric.retrieveModelScoreLatency, model),
        batchSize: telemetry.counter(Metric.retrieveModelScoreBatchSize, model),
      };
    }
    const labels = { ...model, inference_mode: modes[method] };
    return {
      total: telemetry.counter(Metric.predictRequests, labels),
      latency: telemetry.histogram(Metric.predictLatency, labels),
      batchSize: telemetry.counter(Metric.predictBatchSize, labels),
    };
  };
  // A method that nobody calls for this model leaves no series behind.
  const byMethod: Partial<Record<EngineMethod, ModeChild>> = {};
  const modeOf = (method: EngineMethod): ModeChild => {
    const child = byMethod[method] ?? modeChild(method);
    byMethod[method] = child;
    return child;
  };
  const hits = telemetry.counter(Metric.bindCacheRequests, { ...model, result: 'hit' });
  const misses = telemetry.counter(Metric.bindCacheRequests, { ...model, result: 'miss' });
  const components = new Map<string, PlanComponentMetrics>();
  for (const component of config.components) {
    components.set(
      component.componentName,
      componentMetrics(telemetry, config.modelConfigId, component, () => callerIdOf(component, backends)),
    );
  }
  const component = (name: string): PlanComponentMetrics => {
    const found = components.get(name);
    if (found === undefined) throw new TypeError(`no component "${name}" in model ${config.modelConfigId}`);
    return found;
  };
  return {
    bindHit: () => hits.add(1),
    bindMiss: () => misses.add(1),
    requested: (method) => modeOf(method).total.add(1),
    answered(method, batchSize, durationMs) {
      const child = modeOf(method);
      child.batchSize.add(batchSize);
      child.latency.observeMs(durationMs);
    },
    budgetExceeded: telemetry.counter(Metric.budgetExceeded, model),
    discarded: telemetry.counter(Metric.runsDiscarded, model),
    component,
    runEnded: (run) => countRun(run, components),
  };
}

/** The caller id that calls of a model component carry, for the metric that names it. */
function callerIdOf(component: ComponentConfig, backends: Backends): string {
  if (component.kind !== 'predator') return '';
  return backends.model(component.endpoint)?.head('/inference.GRPCInferenceService/ModelInfer').headers['predator-caller-id'] ?? '';
}

const statuses = Object.values(CellStatus);

function countRun(run: RequestRun, children: ReadonlyMap<string, PlanComponentMetrics>): void {
  const { components } = run.bound.plan;
  for (let index = 0; index < components.length; index++) {
    const component = components[index];
    const child = component === undefined ? undefined : children.get(component.name);
    if (component === undefined || child === undefined) continue;
    const matrix = component.component.scope === 'slate' ? run.slate?.matrix : run.matrix;
    const block = matrix?.blocks[component.blockIndex];
    if (block !== null && block !== undefined) {
      for (let at = 0; at < statuses.length; at++) {
        const status = statuses[at] as CellStatus;
        const count = block.counts[status] as number;
        if (count > 0) child.cells(status, count);
      }
    }
    const faults = run.states[index]?.faults;
    if (faults !== undefined && run.failures[index] === null) {
      for (let at = 0; at < faults.count; at++) child.rowsFailed(faults.failure(at), faults.to(at) - faults.from(at));
    }
  }
}

/** What the original calls the services behind the built-in components. */
const services: Readonly<Partial<Record<ComponentConfig['kind'], { readonly ext_service: string; readonly endpoint: string }>>> = {
  feature: { ext_service: 'featurestore', endpoint: '/FeatureService/retrieveFeatures' },
  predator: { ext_service: 'predator', endpoint: '/ModelInfer' },
  numerix: { ext_service: 'numerix_service', endpoint: '/NumerixService/Compute' },
};

function componentMetrics(
  telemetry: Telemetry,
  modelConfigId: string,
  config: ComponentConfig,
  callerId: () => string,
): PlanComponentMetrics {
  const labels = { model_id: modelConfigId, component_name: config.componentName };
  const executions = telemetry.counter(Metric.componentExecutions, labels);
  const latency = telemetry.histogram(Metric.componentLatency, labels);
  const outcomes: (Counter | undefined)[] = [];
  const failures = new Map<FailureReason, readonly Counter[]>();
  const faults = new Map<FailureReason, Counter>();
  const cells: (Counter | undefined)[] = [];
  const failureCounters = (reason: FailureReason, status: OutcomeStatus): readonly Counter[] => {
    let counters = failures.get(reason);
    if (counters === undefined) {
      counters = [
        telemetry.counter(Metric.componentErrors, { ...labels, ...errorLabels(config.kind, reason) }),
        telemetry.counter(Metric.componentOutcomes, { ...labels, status: outcomeStatusName(status), reason }),
      ];
      failures.set(reason, counters);
    }
    return counters;
  };
  return {
    inner: innerMetrics(telemetry, config, labels, callerId),
    ended(failure, status, durationMs) {
      executions.add(1);
      latency.observeMs(durationMs);
      if (failure !== null) {
        for (const counter of failureCounters(failure.reason, status)) counter.add(1);
        if (status === OutcomeStatus.abandoned) telemetry.counter(Metric.componentsAbandoned, labels).add(1);
        return;
      }
      const counter = outcomes[status] ?? telemetry.counter(Metric.componentOutcomes, { ...labels, status: outcomeStatusName(status) });
      outcomes[status] = counter;
      counter.add(1);
    },
    rowsFailed(failure, rows) {
      let counter = faults.get(failure.reason);
      if (counter === undefined) {
        counter = telemetry.counter(Metric.rowFaults, { ...labels, reason: failure.reason });
        faults.set(failure.reason, counter);
      }
      counter.add(rows);
      telemetry.counter(Metric.componentErrors, { ...labels, ...errorLabels(config.kind, failure.reason) }).add(1);
    },
    cells(status, count) {
      const counter = cells[status] ?? telemetry.counter(Metric.cells, { ...labels, status: cellStatusName(status) });
      cells[status] = counter;
      counter.add(count);
    },
  };
}

const sdkServices: Readonly<Partial<Record<ComponentConfig['kind'], { readonly external_service: string; readonly method: string }>>> = {
  predator: { external_service: 'externalservicepredator_', method: '/inference.GRPCInferenceService/ModelInfer' },
  numerix: { external_service: 'numerix_CLIENT_V1_', method: '/numerix.Numerix/Compute' },
};

function innerMetrics(telemetry: Telemetry, config: ComponentConfig, labels: Labels, callerId: () => string): ComponentMetrics {
  const external = { ...labels, ...(services[config.kind] ?? { ext_service: 'plugin', endpoint: config.componentName }) };
  const sdk = sdkServices[config.kind] ?? { external_service: 'plugin', method: config.componentName };
  const modelName = config.kind === 'predator' ? config.modelName : '';
  return {
    featureCount: new LateCounter(() => telemetry.counter(Metric.componentFeatureCount, labels)),
    cacheRequests: new LateCounter(() => telemetry.counter(Metric.inMemoryCacheRequests, labels)),
    cacheMisses: new LateCounter(() => telemetry.counter(Metric.inMemoryCacheMisses, labels)),
    cacheStale: new LateCounter(() => telemetry.counter(Metric.featureCacheStale, labels)),
    sharedFetches: new LateCounter(() => telemetry.counter(Metric.featureFetchesShared, labels)),
    externalCalls: new LateCounter(() => telemetry.counter(Metric.externalRequests, external)),
    externalRows: config.kind === 'feature' ? new LateCounter(() => telemetry.counter(Metric.externalBatch, external)) : uncounted,
    externalLatency: new LateTimer(() => telemetry.histogram(Metric.externalLatency, external)),
    callsByStatus: Array.from(
      { length: 17 },
      (_, code) => new LateCounter(() => telemetry.counter(Metric.sdkCalls, { ...sdk, grpc_status_code: String(code) })),
    ),
    failedChunks: new LateCounter(() => telemetry.counter(Metric.sdkFailedChunks, { model_name: modelName, caller_id: callerId() })),
    assemblyLatency: new LateTimer(() => telemetry.histogram(Metric.conversionLatency, labels)),
    modelLatency: new LateTimer(() => telemetry.histogram(Metric.predatorLatency, labels)),
    defaultedInputs: new LateCounter(() => telemetry.counter(Metric.defaultedInputs, labels)),
  };
}

/** A child that is bound when it is first used: what never happens leaves no series behind. */
class LateCounter implements Counter {
  readonly #bind: () => Counter;
  #child: Counter | null = null;

  constructor(bind: () => Counter) {
    this.#bind = bind;
  }

  add(value: number): void {
    this.#child ??= this.#bind();
    this.#child.add(value);
  }
}

class LateTimer implements Histogram {
  readonly #bind: () => Histogram;
  #child: Histogram | null = null;

  constructor(bind: () => Histogram) {
    this.#bind = bind;
  }

  observeMs(milliseconds: number): void {
    this.#child ??= this.#bind();
    this.#child.observeMs(milliseconds);
  }
}

/** Only the keys of feature calls are counted, as in the original. */
const uncounted = Object.freeze({ add(): void {} });

/** The original's error types where it has one, else the reason. */
function errorLabels(kind: ComponentConfig['kind'], reason: FailureReason): Labels {
  const service = services[kind];
  if (service === undefined || reason === 'exception') {
    return { error_type: kind === 'feature' ? 'feature-store-component-panic' : reason };
  }
  if (kind === 'feature') {
    const type =
      reason === 'deadline'
        ? 'featurestore-api-request-timeout'
        : reason === 'cancelled'
          ? 'featurestore-api-request-cancelled'
          : 'featurestore-api-error';
    return { ...service, error_type: type };
  }
  if (reason === 'shape' || reason === 'conversion' || reason === 'not-written') return { error_type: 'invalid-component-config' };
  return { ...service, error_type: kind === 'predator' ? 'predator-api-error' : 'numerix-api-error' };
}
