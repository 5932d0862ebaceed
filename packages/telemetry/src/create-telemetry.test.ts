import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createTelemetry } from './create-telemetry.js';
import { TelemetryError } from './errors.js';
import { renderMetricReference } from './metric-reference.js';
import { Metric, type MetricDefinition, type MetricName, metricTable } from './metric-table.js';
import { createNoTelemetry } from './no-telemetry.js';
import type { Telemetry } from './telemetry.js';

const component = { model_id: 'movies', component_name: 'ranker' };

/** The samples of a scrape: everything before the value → the value. */
async function samples(telemetry: Telemetry): Promise<Map<string, number>> {
  const lines = (await telemetry.prometheusText()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

function observe(telemetry: Telemetry, { name, kind, labels }: MetricDefinition): void {
  const values = Object.fromEntries(labels.map((label) => [label, 'x']));
  if (kind === 'counter') telemetry.counter(name, values).add(1);
  else if (kind === 'gauge') telemetry.gauge(name, values).set(1);
  else telemetry.histogram(name, values).observeMs(1);
}

describe('createTelemetry', () => {
  it('gives the same child for the same labels, in any order', () => {
    const telemetry = createTelemetry();
    const child = telemetry.counter(Metric.componentExecutions, component);
    expect(telemetry.counter(Metric.componentExecutions, { component_name: 'ranker', model_id: 'movies' })).toBe(child);
    expect(telemetry.counter(Metric.componentExecutions, { ...component, component_name: 'other' })).not.toBe(child);
  });

  it('tells label values apart that only look alike when joined', () => {
    const telemetry = createTelemetry();
    const one = telemetry.counter('componentExecutions', { model_id: 'a","b', component_name: 'c' });
    expect(telemetry.counter('componentExecutions', { model_id: 'a', component_name: 'b","c' })).not.toBe(one);
  });

  it('scrapes counters, gauges and histograms', async () => {
    const telemetry = createTelemetry();
    const executions = telemetry.counter('componentExecutions', component);
    executions.add(2);
    executions.add(0.5);
    telemetry.gauge('requestsInFlight').set(7);
    telemetry.gauge('requestsInFlight').set(3);
    const latency = telemetry.histogram('predictLatency', { model_id: 'm', inference_mode: 'pointwise' });
    for (const ms of [0.5, 0.50001, 12, 99_999]) latency.observeMs(ms);
    const found = await samples(telemetry);
    expect(found.get('inferflow_component_execution_total{model_id="movies",component_name="ranker"}')).toBe(2.5);
    expect(found.get('inferflow_requests_in_flight')).toBe(3);
    const labels = 'model_id="m",inference_mode="pointwise"';
    const bucket = (le: string) => found.get(`predict_infer_latency_seconds_bucket{le="${le}",${labels}}`);
    expect([bucket('0.0005'), bucket('0.001'), bucket('0.008'), bucket('0.012'), bucket('5'), bucket('+Inf')]).toEqual([1, 2, 2, 3, 3, 4]);
    expect(found.get(`predict_infer_latency_seconds_count{${labels}}`)).toBe(4);
    expect(found.get(`predict_infer_latency_seconds_sum{${labels}}`)).toBeCloseTo(100.01200001, 9);
    expect(telemetry.contentType).toContain('text/plain');
  });

  it('ignores values that make no sense', async () => {
    const telemetry = createTelemetry();
    for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      telemetry.counter('componentExecutions', component).add(value);
      telemetry.histogram('componentLatency', component).observeMs(value);
    }
    telemetry.gauge('requestsInFlight').set(Number.NaN);
    telemetry.gauge('requestsInFlight').set(-2);
    const found = await samples(telemetry);
    expect([...found.values()].filter((value) => value !== 0)).toEqual([-2]);
  });

  it('leaves out optional labels that are absent or empty', async () => {
    const telemetry = createTelemetry();
    telemetry.counter('componentErrors', { ...component, error_type: 'x' }).add(1);
    telemetry.counter('componentErrors', { ...component, error_type: 'x', endpoint: '' }).add(1);
    expect(await samples(telemetry)).toEqual(
      new Map([['inferflow_component_execution_error_total{model_id="movies",component_name="ranker",error_type="x"}', 2]]),
    );
  });

  it('escapes label values', async () => {
    const telemetry = createTelemetry();
    telemetry.counter('loggingSent', { model_id: 'a"b\\c\nd' }).add(1);
    expect(await telemetry.prometheusText()).toContain('{model_id="a\\"b\\\\c\\nd"} 1');
  });

  it('bounds the children of a metric: what does not fit is counted under "other"', async () => {
    const telemetry = createTelemetry({ maxChildrenPerMetric: 3 });
    for (let index = 0; index < 1000; index++) telemetry.counter('loggingSent', { model_id: `m${index}` }).add(1);
    expect(telemetry.counter('loggingSent', { model_id: 'another' })).toBe(telemetry.counter('loggingSent', { model_id: 'one more' }));
    const found = await samples(telemetry);
    expect([...found].filter(([key]) => key.startsWith('inferflow_logging'))).toEqual([
      ['inferflow_logging_kafka_sent_total{model_id="m0"}', 1],
      ['inferflow_logging_kafka_sent_total{model_id="m1"}', 1],
      ['inferflow_logging_kafka_sent_total{model_id="m2"}', 1],
      ['inferflow_logging_kafka_sent_total{model_id="other"}', 997],
    ]);
    expect(found.get('inferflow_telemetry_failure_total{reason="overflow"}')).toBeGreaterThan(996);
  });

  it('gives a scrape of thousands of children whole', async () => {
    const telemetry = createTelemetry({ maxChildrenPerMetric: 5000 });
    for (let model = 0; model < 3000; model++) telemetry.counter('loggingSent', { model_id: `m${model}` }).add(model + 1);
    const text = await telemetry.prometheusText();
    const lines = text.split('\n').filter((line) => line.includes('model_id='));
    expect(lines).toHaveLength(3000);
    expect(new Set(lines).size).toBe(3000);
    expect(lines[2999]).toMatch(/\{model_id="m2999"\} 3000$/);
    expect(text.match(/^# (HELP|TYPE) /gm)?.length).toBe(2 * (text.match(/^# HELP /gm)?.length ?? 0));
    expect(new Set(text.match(/^# HELP \S+/gm)).size).toBe(text.match(/^# HELP \S+/gm)?.length);
    expect(text).not.toContain('\n\n\n');
  });

  it('has a child for every model where it tells their state', async () => {
    const telemetry = createTelemetry({ maxChildrenPerMetric: 3 });
    for (let model = 0; model < 20; model++) telemetry.gauge('configModelState', { model_id: `m${model}`, state: 'live' }).set(1);
    expect((await samples(telemetry)).get('inferflow_config_model_state{model_id="m19",state="live"}')).toBe(1);
  });

  it('gives a scrape in parts, between which other work is done', async () => {
    const telemetry = createTelemetry({ maxChildrenPerMetric: 20_000 });
    for (let model = 0; model < 20_000; model++) telemetry.counter('loggingSent', { model_id: `m${model}` }).add(1);
    let turns = 0;
    const turn = (): void => {
      turns++;
      next = setImmediate(turn);
    };
    let next = setImmediate(turn);
    let parts = '';
    for await (const part of telemetry.prometheusParts()) parts += part;
    clearImmediate(next);
    expect(turns).toBeGreaterThan(0);
    expect(parts).toBe(await telemetry.prometheusText());
  });

  it('makes room when a label value is forgotten', async () => {
    const telemetry = createTelemetry({ maxChildrenPerMetric: 1 });
    telemetry.counter('loggingSent', { model_id: 'gone' }).add(5);
    telemetry.forget('model_id', new Set(['gone']));
    telemetry.counter('loggingSent', { model_id: 'next' }).add(1);
    expect([...(await samples(telemetry)).keys()]).toEqual(['inferflow_logging_kafka_sent_total{model_id="next"}']);
  });

  it('calls hooks before a scrape, until they are removed; one that throws spoils nothing', async () => {
    const telemetry = createTelemetry();
    let value = 1;
    telemetry.onCollect(() => {
      throw new Error('broken');
    });
    const stop = telemetry.onCollect(() => telemetry.gauge('requestsInFlight').set(value));
    expect((await samples(telemetry)).get('inferflow_requests_in_flight')).toBe(1);
    stop();
    value = 2;
    const found = await samples(telemetry);
    expect(found.get('inferflow_requests_in_flight')).toBe(1);
    expect(found.get('inferflow_telemetry_failure_total{reason="hook"}')).toBe(2);
  });

  it('offers no text when Prometheus is off', async () => {
    const telemetry = createTelemetry({ prometheus: false });
    telemetry.gauge('requestsInFlight').set(1);
    expect(await telemetry.prometheusText()).toBe('');
  });

  it.each<[string, () => unknown]>([
    ['UNKNOWN_METRIC', () => createTelemetry().counter('nothing' as MetricName)],
    ['WRONG_KIND', () => createTelemetry().gauge('componentExecutions', component)],
    ['LABELS_INVALID', () => createTelemetry().counter('componentExecutions', { model_id: 'm' })],
    ['LABELS_INVALID', () => createTelemetry().counter('componentExecutions', { ...component, user_id: '1' })],
    ['OPTION_INVALID', () => createTelemetry({ maxChildrenPerMetric: 0 })],
    ['OPTION_INVALID', () => createTelemetry({ statsd: { host: 'x', port: 1, env: '', service: '', samplingRate: 2 } })],
    ['OPTION_INVALID', () => createTelemetry({ statsd: { host: 'x', port: 0, env: '', service: '', samplingRate: 1 } })],
  ])('throws %s for a mistake of its caller', (code, run) => {
    let error: unknown;
    try {
      run();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(TelemetryError);
    expect(error).toMatchObject({ code: `INFERFLOW_TELEMETRY_${code}` });
  });

  it('names the labels a metric has when they do not fit', () => {
    expect(() => createTelemetry().counter('componentExecutions', { model: 'm', component_name: 'c' })).toThrow(
      'metric "componentExecutions" has the labels [model_id, component_name]: "model_id" is missing, "model" is not one of them',
    );
  });
});

describe('createNoTelemetry', () => {
  it('takes everything and keeps nothing', async () => {
    const telemetry = createNoTelemetry();
    for (const definition of metricTable) observe(telemetry, definition);
    telemetry.forget('model_id', new Set(['x']));
    telemetry.onCollect(() => {})();
    telemetry.flush();
    expect(await telemetry.prometheusText()).toBe('');
    await telemetry.close();
  });
});

describe('metricTable', () => {
  it('gives every metric its own Prometheus name', () => {
    expect(new Set(metricTable.map(({ prometheusName }) => prometheusName)).size).toBe(metricTable.length);
    for (const { name } of metricTable) expect(Metric[name]).toBe(name);
  });

  it.each(metricTable.map((definition) => [definition.prometheusName, definition] as const))(
    '%s passes the lint of promtool',
    (name, definition) => {
      const { kind, help, labels, bucketsMs, statsd } = definition;
      expect(name).toMatch(/^[a-z][a-z0-9_]*[a-z0-9]$/);
      expect(name).not.toContain('__');
      expect(help).toMatch(/^[^|\n]+\.$/);
      expect(name.endsWith('_total')).toBe(kind === 'counter');
      expect(name.endsWith('_seconds')).toBe(kind === 'histogram' || /(_lag|_time|_timestamp)_seconds$/.test(name));
      if (kind !== 'histogram') expect(name).not.toMatch(/_(count|sum|bucket)$/);
      expect(name).not.toMatch(/_(counter|gauge|histogram|summary)(_|$)/);
      expect(name).not.toMatch(/_(ms|us|ns|s|sec|b|kb|mb|gb|m|h|d|milliseconds|minutes|hours|kilobytes|megabytes|percent)(_|$)/);
      for (const label of labels) expect(label).toMatch(/^(?!le$|quantile$|__)[a-z][a-z0-9_]*$/);
      expect(new Set(labels).size).toBe(labels.length);
      expect([...bucketsMs].sort((left, right) => left - right)).toEqual(bucketsMs);
      for (const boundMs of bucketsMs) expect(String(boundMs / 1000).length).toBeLessThan(9);
      expect(bucketsMs.length > 0).toBe(kind === 'histogram');
      const tagged = statsd?.tags.flatMap((tag) => (tag.form === 'constant' ? [] : [tag.label]));
      if (tagged !== undefined) expect([...tagged].sort()).toEqual([...labels].sort());
    },
  );

  it('makes a text in which every metric has help and type once, and every sample belongs to it', async () => {
    const telemetry = createTelemetry();
    for (const definition of metricTable) observe(telemetry, definition);
    const text = await telemetry.prometheusText();
    expect(text.endsWith('\n')).toBe(true);
    let current: string | undefined;
    const seen = new Set<string>();
    for (const line of text.split('\n')) {
      const help = /^# HELP (\S+) \S/.exec(line)?.[1];
      if (help !== undefined) {
        expect(seen.has(help)).toBe(false);
        seen.add(help);
        current = help;
      } else if (line.startsWith('# TYPE')) {
        expect(line).toMatch(new RegExp(`^# TYPE ${current} (counter|gauge|histogram)$`));
      } else if (line !== '') {
        expect(line).toMatch(new RegExp(`^${current}(_bucket|_sum|_count)?(\\{([a-z_]+="[^"]*",?)+\\})? [0-9.e+-]+$`));
      }
    }
    expect(seen.size).toBe(metricTable.length);
  });

  it('is what docs/reference/metrics.md says', () => {
    const page = new URL('../../../docs/reference/metrics.md', import.meta.url);
    expect(readFileSync(page, 'utf8'), 'run: node scripts/gen-metrics-doc.mjs').toBe(renderMetricReference());
  });
});
