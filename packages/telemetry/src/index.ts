export { combineMetrics, type MetricFamilies, retireMetrics } from './combine-metrics.js';
export { createTelemetry, type StatsdOptions, type TelemetryOptions } from './create-telemetry.js';
export { TelemetryError, TelemetryErrorCode } from './errors.js';
export type { Counter, Gauge, Histogram, Labels } from './metric-child.js';
export type { MetricKind, MetricShape, StatsdDefinition, StatsdTag } from './metric-definition.js';
export { Metric, type MetricDefinition, type MetricName, metricTable } from './metric-table.js';
export { createNoTelemetry } from './no-telemetry.js';
export { collectProcessMetrics, type ProcessMetricsOptions } from './process-metrics.js';
export type { Telemetry } from './telemetry.js';
