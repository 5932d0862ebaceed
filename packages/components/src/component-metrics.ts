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
  /** Entries past their time to live that stood in for a failed fetch. */
  readonly cacheStale: MetricCounter;
  /** Keys taken from a call that another request had under way. */
  readonly sharedFetches: MetricCounter;
  readonly externalCalls: MetricCounter;
  /** Rows or keys in those calls. */
  readonly externalRows: MetricCounter;
  readonly externalLatency: MetricTimer;
  /** Model inputs that had to be converted or filled by default. */
  readonly conversions: MetricCounter;
  readonly defaultedInputs: MetricCounter;
  /** `done()`, `failed()` or a promise after the component had ended. */
  readonly lateEnds: MetricCounter;
}

const nothing = Object.freeze({ add(): void {}, observeMs(): void {} });

/** Metrics that go nowhere. */
export const noComponentMetrics: ComponentMetrics = Object.freeze({
  featureCount: nothing,
  cacheRequests: nothing,
  cacheMisses: nothing,
  cacheStale: nothing,
  sharedFetches: nothing,
  externalCalls: nothing,
  externalRows: nothing,
  externalLatency: nothing,
  conversions: nothing,
  defaultedInputs: nothing,
  lateEnds: nothing,
});
