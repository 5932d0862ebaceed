import { describe, expect, it } from 'vitest';
import { combineMetrics, type MetricFamilies, retireMetrics } from './combine-metrics.js';
import { createTelemetry } from './create-telemetry.js';
import { Metric } from './metric-table.js';

async function process(requests: number, waitingBytes: number, lag: number, utilization: number): Promise<MetricFamilies> {
  const telemetry = createTelemetry({ statsd: null });
  telemetry.counter(Metric.requests, { api: 'a', status: '0' }).add(requests);
  telemetry.histogram(Metric.requestLatency, { api: 'a', status: '0' }).observeMs(requests);
  telemetry.gauge(Metric.loggingCapturedBytes).set(waitingBytes);
  telemetry.gauge(Metric.loopDelay, { quantity: 'max' }).set(lag);
  telemetry.gauge(Metric.loopUtilization).set(utilization);
  const families = await telemetry.prometheusFamilies();
  await telemetry.close();
  return structuredClone(families);
}

/** The value of a line of a scrape. */
const sampleOf = (text: string, line: string) =>
  Number(
    text
      .split('\n')
      .find((each) => each.startsWith(line))
      ?.split(' ')
      .at(-1),
  );

describe('combineMetrics', () => {
  it('adds amounts up, averages shares, takes the largest of what is neither', async () => {
    const text = await combineMetrics([await process(2, 100, 0.5, 0.2), await process(7, 11, 0.25, 0.6)]);
    expect(sampleOf(text, 'inferflow_router_api_request_total')).toBe(9);
    expect(sampleOf(text, 'inferflow_router_api_request_latency_seconds_count')).toBe(2);
    expect(sampleOf(text, 'inferflow_router_api_request_latency_seconds_sum')).toBeCloseTo(0.009);
    expect(sampleOf(text, 'inferflow_router_api_request_latency_seconds_bucket{le="0.002"')).toBe(1);
    expect(sampleOf(text, 'inferflow_logging_captured_bytes')).toBe(111);
    expect(sampleOf(text, 'nodejs_eventloop_lag_seconds')).toBe(0.5);
    expect(sampleOf(text, 'nodejs_eventloop_utilization_ratio')).toBeCloseTo(0.4);
  });
});

describe('retireMetrics', () => {
  it('keeps the counters of processes that have ended, and none of their gauges', async () => {
    const first = retireMetrics([], await process(2, 100, 1, 1));
    const both = retireMetrics(first, await process(3, 100, 1, 1));
    const text = await combineMetrics([both, await process(10, 5, 0.25, 0.5)]);
    expect(sampleOf(text, 'inferflow_router_api_request_total')).toBe(15);
    expect(sampleOf(text, 'inferflow_router_api_request_latency_seconds_count')).toBe(3);
    expect(sampleOf(text, 'inferflow_logging_captured_bytes')).toBe(5);
  });

  it('keeps what a later process never had', async () => {
    const kept = retireMetrics(await process(4, 0, 0, 0), []);
    expect(sampleOf(await combineMetrics([kept]), 'inferflow_router_api_request_total')).toBe(4);
  });
});
