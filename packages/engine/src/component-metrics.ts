import type { ComponentMetrics, Failure, FailureReason } from '@inferflow/components';
import type { ComponentConfig } from '@inferflow/config';
import { OutcomeStatus, outcomeStatusName } from '@inferflow/dag';
import { type CellStatus, cellStatusName } from '@inferflow/matrix';
import { type Counter, type Histogram, type Labels, Metric, type Telemetry } from '@inferflow/telemetry';

/** Children of one component. */
export interface PlanComponentMetrics {
  /** What the component itself observes. */
  readonly inner: ComponentMetrics;
  ended(failure: Failure | null, status: OutcomeStatus, durationMs: number): void;
  rowsFailed(failure: Failure, rows: number): void;
  cells(status: CellStatus, count: number): void;
  /** Ends that came after the end: a bug of the component. */
  endedLate(count: number): void;
}

/** What the original calls the services behind the built-in components. */
const services: Readonly<Partial<Record<ComponentConfig['kind'], { readonly ext_service: string; readonly endpoint: string }>>> = {
  feature: { ext_service: 'featurestore', endpoint: '/FeatureService/retrieveFeatures' },
  predator: { ext_service: 'predator', endpoint: '/ModelInfer' },
  numerix: { ext_service: 'numerix_service', endpoint: '/NumerixService/Compute' },
};

/** Binds the children of a component. `callerId` is asked when a metric needs it. */
export function createComponentMetrics(
  telemetry: Telemetry,
  modelConfigId: string,
  config: ComponentConfig,
  callerId: () => string,
): PlanComponentMetrics {
  const labels = { model_id: modelConfigId, component_name: config.componentName };
  const executions = telemetry.counter(Metric.componentExecutions, labels);
  const latency = telemetry.histogram(Metric.componentLatency, labels);
  const outcomes: (Counter | undefined)[] = [];
  // The same reason may end a component in several ways: a deadline, for one, whether it obeys or not.
  const failures = new Map<FailureReason, (Counter | undefined)[]>();
  const errors = new Map<FailureReason, Counter>();
  const faults = new Map<FailureReason, Counter>();
  const cells: (Counter | undefined)[] = [];
  const outcomeOf = (status: OutcomeStatus, reason: FailureReason): Counter => {
    let byStatus = failures.get(reason);
    if (byStatus === undefined) {
      byStatus = [];
      failures.set(reason, byStatus);
    }
    const counter =
      byStatus[status] ?? telemetry.counter(Metric.componentOutcomes, { ...labels, status: outcomeStatusName(status), reason });
    byStatus[status] = counter;
    return counter;
  };
  const errorsOf = (reason: FailureReason): Counter => {
    let counter = errors.get(reason);
    if (counter === undefined) {
      counter = telemetry.counter(Metric.componentErrors, { ...labels, ...errorLabels(config.kind, reason) });
      errors.set(reason, counter);
    }
    return counter;
  };
  return {
    inner: innerMetrics(telemetry, config, labels, callerId),
    ended(failure, status, durationMs) {
      executions.add(1);
      latency.observeMs(durationMs);
      if (failure !== null) {
        errorsOf(failure.reason).add(1);
        outcomeOf(status, failure.reason).add(1);
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
      errorsOf(failure.reason).add(1);
    },
    endedLate(count) {
      telemetry.counter(Metric.lateFinishes, labels).add(count);
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
    cacheHits: new LateCounter(() => telemetry.counter(Metric.featureCacheHits, labels)),
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
    conversions: new LateCounter(() => telemetry.counter(Metric.conversionCount, labels)),
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
