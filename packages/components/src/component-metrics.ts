/** Adds up; `Counter` of the telemetry package fits. */
export interface MetricCounter {
  add(value: number): void;
}

/** Takes times; `Histogram` of the telemetry package fits. */
export interface MetricTimer {
  observeMs(milliseconds: number): void;
}

/** Metric children of one component, bound once when a plan compiles. Observing allocates nothing. */
export interface ComponentMetrics {
  /** Unique entities × features fetched or served from the cache. */
  readonly featureCount: MetricCounter;
  readonly cacheRequests: MetricCounter;
  readonly cacheMisses: MetricCounter;
  /** Entries served from the cache within their time to live. */
  readonly cacheHits: MetricCounter;
  /** Entries past their time to live that stood in for a failed fetch. */
  readonly cacheStale: MetricCounter;
  /** Keys taken from a call that another request had under way. */
  readonly sharedFetches: MetricCounter;
  readonly externalCalls: MetricCounter;
  /** Rows or keys in those calls. */
  readonly externalRows: MetricCounter;
  readonly externalLatency: MetricTimer;
  /** Calls to models and the compute service that ended, by gRPC code 0–16. */
  readonly callsByStatus: readonly MetricCounter[];
  /** Chunks of model rows that failed. */
  readonly failedChunks: MetricCounter;
  /** Values converted to another type for the inputs of a model; 0 is told too. */
  readonly conversions: MetricCounter;
  /** Looking up and converting the inputs of a model. */
  readonly assemblyLatency: MetricTimer;
  /** A model component's calls, all chunks. */
  readonly modelLatency: MetricTimer;
  /** Model inputs filled by default. */
  readonly defaultedInputs: MetricCounter;
}

const nothing = Object.freeze({ add(): void {}, observeMs(): void {} });

/** Metrics that go nowhere. */
export const noComponentMetrics: ComponentMetrics = Object.freeze({
  featureCount: nothing,
  cacheRequests: nothing,
  cacheMisses: nothing,
  cacheHits: nothing,
  cacheStale: nothing,
  sharedFetches: nothing,
  externalCalls: nothing,
  externalRows: nothing,
  externalLatency: nothing,
  callsByStatus: Object.freeze(Array.from({ length: 17 }, () => nothing)),
  failedChunks: nothing,
  conversions: nothing,
  assemblyLatency: nothing,
  modelLatency: nothing,
  defaultedInputs: nothing,
});
