import { describe, expect, it } from 'vitest';
import { createTelemetry } from './create-telemetry.js';
import { MetricSums } from './metric-sums.js';
import { Metric } from './metric-table.js';
import type { Telemetry } from './telemetry.js';

function process(requests: number, waitingBytes: number, lag: number, utilization: number): Telemetry {
  const telemetry = createTelemetry({ statsd: null });
  telemetry.counter(Metric.requests, { api: 'a', status: '0' }).add(requests);
  telemetry.histogram(Metric.requestLatency, { api: 'a', status: '0' }).observeMs(requests);
  telemetry.gauge(Metric.loggingCapturedBytes).set(waitingBytes);
  telemetry.gauge(Metric.loopDelay, { quantity: 'max' }).set(lag);
  telemetry.gauge(Metric.loopUtilization).set(utilization);
  return telemetry;
}

async function handIn(sums: MetricSums, number: number, telemetry: Telemetry): Promise<void> {
  const look = sums.begin(number);
  for await (const portion of telemetry.prometheusPortions()) sums.add(number, look, portion);
  sums.complete(number, look);
}

async function textOf(sums: MetricSums): Promise<string> {
  let text = '';
  for await (const part of sums.parts()) text += part;
  return text;
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

describe('MetricSums', () => {
  it('adds amounts up, averages shares, takes the largest of what is neither', async () => {
    const sums = new MetricSums(2);
    await handIn(sums, 0, process(2, 100, 0.5, 0.2));
    await handIn(sums, 1, process(7, 11, 0.25, 0.6));
    const text = await textOf(sums);
    expect(sampleOf(text, 'inferflow_router_api_request_total')).toBe(9);
    expect(sampleOf(text, 'inferflow_router_api_request_latency_seconds_count')).toBe(2);
    expect(sampleOf(text, 'inferflow_router_api_request_latency_seconds_sum')).toBeCloseTo(0.009);
    expect(sampleOf(text, 'inferflow_router_api_request_latency_seconds_bucket{le="0.002"')).toBe(1);
    expect(sampleOf(text, 'inferflow_logging_captured_bytes')).toBe(111);
    expect(sampleOf(text, 'nodejs_eventloop_lag_seconds')).toBe(0.5);
    expect(sampleOf(text, 'nodejs_eventloop_utilization_ratio')).toBeCloseTo(0.4);
  });

  it('gives the text of a single process as that process does', async () => {
    const telemetry = process(2, 100, 0.5, 0.2);
    telemetry.counter(Metric.loggingSent, { model_id: 'a "b" c\nd' }).add(1);
    const sums = new MetricSums(2);
    await handIn(sums, 1, telemetry);
    expect(await textOf(sums)).toBe(await telemetry.prometheusText());
  });

  it('keeps the counters of processes that have ended, and none of their gauges', async () => {
    const sums = new MetricSums(1);
    for (const requests of [2, 3]) {
      await handIn(sums, 0, process(requests, 100, 1, 1));
      sums.retire(0);
    }
    expect(sampleOf(await textOf(sums), 'inferflow_router_api_request_total')).toBe(5);
    expect(sampleOf(await textOf(sums), 'inferflow_logging_captured_bytes')).toBeNaN();
    await handIn(sums, 0, process(10, 5, 0.25, 0.5));
    const text = await textOf(sums);
    expect(sampleOf(text, 'inferflow_router_api_request_total')).toBe(15);
    expect(sampleOf(text, 'inferflow_router_api_request_latency_seconds_count')).toBe(3);
    expect(sampleOf(text, 'inferflow_logging_captured_bytes')).toBe(5);
  });

  it('drops what a process names no more', async () => {
    const telemetry = createTelemetry();
    for (const model_id of ['a', 'b']) telemetry.counter(Metric.loggingSent, { model_id }).add(1);
    const sums = new MetricSums(1);
    await handIn(sums, 0, telemetry);
    telemetry.forget('model_id', new Set(['a']));
    await handIn(sums, 0, telemetry);
    expect((await textOf(sums)).match(/model_id="\w"/g)).toEqual(['model_id="b"']);
  });

  it('does not bring back a removed model with the counters of a process that has ended', async () => {
    const [first, second] = [createTelemetry(), createTelemetry()];
    first.counter(Metric.loggingSent, { model_id: 'gone' }).add(4);
    first.counter(Metric.loggingSent, { model_id: 'kept' }).add(4);
    second.gauge(Metric.configModelState, { model_id: 'kept', state: 'live' }).set(1);
    second.gauge(Metric.configModelState, { model_id: 'gone', state: 'live' }).set(1);
    const sums = new MetricSums(2);
    await handIn(sums, 0, first);
    await handIn(sums, 1, second);
    sums.retire(0);
    const sent = async () => (await textOf(sums)).match(/sent_total\{.*/g);
    expect(await sent()).toEqual(['sent_total{model_id="gone"} 4', 'sent_total{model_id="kept"} 4']);
    second.forget('model_id', new Set(['gone']));
    await handIn(sums, 1, second);
    expect(await sent()).toEqual(['sent_total{model_id="kept"} 4']);
  });

  it('is put together in slices, between which other work is done', async () => {
    const telemetry = createTelemetry({ maxChildrenPerMetric: 3000 });
    for (let model = 0; model < 3000; model++) telemetry.histogram(Metric.selfTime, { model_id: `m${model}` }).observeMs(1);
    const sums = new MetricSums(1);
    await handIn(sums, 0, telemetry);
    let turns = 0;
    const turn = (): void => {
      turns++;
      next = setImmediate(turn);
    };
    let next = setImmediate(turn);
    await textOf(sums);
    clearImmediate(next);
    expect(turns).toBeGreaterThan(0);
  });
});
