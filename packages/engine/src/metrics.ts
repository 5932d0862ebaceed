import type { Backends, ComponentBinding } from '@inferflow/components';
import type { ComponentConfig, ModelConfig } from '@inferflow/config';
import { CellStatus } from '@inferflow/matrix';
import { type Counter, type Histogram, Metric, type Telemetry } from '@inferflow/telemetry';
import { GrpcCode } from '@inferflow/transport';
import type { BindMetrics } from './compile/bound-plans.js';
import { createComponentMetrics, type PlanComponentMetrics } from './component-metrics.js';
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
  /** A Predict call that no plan answers; `modelConfigId` is that of a refused model, '' where there is no such model. */
  unanswerable(method: EngineMethod, modelConfigId: string): void;
  readonly cancelled: Counter;
  /** Requests whose turn would have come too late. */
  readonly turnedAway: Counter;
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
    unanswerable(method, modelConfigId) {
      if (method !== 'RetrieveModelScore') {
        telemetry.counter(Metric.predictRequests, { model_id: modelConfigId || UNKNOWN, inference_mode: modes[method] }).add(1);
      }
    },
    cancelled: telemetry.counter(Metric.requestsCancelled),
    turnedAway: telemetry.counter(Metric.requestsRefused, { reason: 'too-late' }),
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
  /** Time of answered requests in this process. */
  readonly self: Histogram;
  component(name: string): PlanComponentMetrics;
  /** Counts the late ends that components have had since the last time. */
  countLateEnds(bindings: readonly (ComponentBinding | null)[]): void;
  /** Which columns a component may read is said by its configuration, so callers cannot grow the labels. '' = the answer. */
  absentColumn(componentName: string, column: string): Counter;
  /** Counts how the components of a run ended and what they stored. */
  runEnded(run: RequestRun): void;
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
      createComponentMetrics(telemetry, config.modelConfigId, component, () => callerIdOf(component, backends)),
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
    self: telemetry.histogram(Metric.selfTime, model),
    component,
    countLateEnds(bindings) {
      for (const binding of bindings) {
        if (binding === null || binding.lateEnds === 0) continue;
        component(binding.componentName).endedLate(binding.lateEnds);
        binding.lateEnds = 0;
      }
    },
    absentColumn: (componentName, column) => telemetry.counter(Metric.absentColumns, { ...model, component_name: componentName, column }),
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
  for (const counter of run.bound.absent.counters) counter.add(1);
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
