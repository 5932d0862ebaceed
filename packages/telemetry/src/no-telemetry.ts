import type { Counter, Gauge, Histogram } from './metric-child.js';
import type { Telemetry } from './telemetry.js';

const nothing: Counter & Histogram & Gauge = Object.freeze({ add: () => {}, observeMs: () => {}, set: () => {} });

/** Telemetry that keeps and sends nothing. */
export function createNoTelemetry(): Telemetry {
  return {
    counter: () => nothing,
    histogram: () => nothing,
    gauge: () => nothing,
    forget: () => {},
    onCollect: () => () => {},
    prometheusText: async () => '',
    prometheusParts: async function* () {},
    prometheusPortions: async function* () {},
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    flush: () => {},
    close: async () => {},
  };
}
