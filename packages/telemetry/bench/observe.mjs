// Cost of observing, scraping and flushing: node packages/telemetry/bench/observe.mjs (after a build).
import { createSocket } from 'node:dgram';
import { createTelemetry } from '@inferflow/telemetry';

const agent = createSocket('udp4');
await new Promise((resolve) => agent.bind(0, '127.0.0.1', resolve));
const statsd = { host: '127.0.0.1', port: agent.address().port, env: 'bench', service: 'bench', samplingRate: 0.01 };
const labels = { model_id: 'movies', component_name: 'ranker' };

function measure(name, count, run) {
  let best = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 6; attempt++) {
    const start = performance.now();
    for (let round = 0; round < count; round++) run(round);
    best = Math.min(best, performance.now() - start);
  }
  const before = process.memoryUsage().heapUsed;
  for (let round = 0; round < count; round++) run(round);
  const bytes = Math.max(0, (process.memoryUsage().heapUsed - before) / count);
  console.log(`${name.padEnd(56)} ${((best * 1e6) / count).toFixed(1).padStart(10)} ns ${bytes.toFixed(1).padStart(8)} B`);
}

for (const [title, telemetry] of [
  ['Prometheus', createTelemetry()],
  ['Prometheus + DogStatsD at 1 %', createTelemetry({ statsd })],
]) {
  const counter = telemetry.counter('componentExecutions', labels);
  const histogram = telemetry.histogram('componentLatency', labels);
  const gauge = telemetry.gauge('requestsInFlight');
  measure(`${title}: counter.add`, 5_000_000, () => counter.add(1));
  measure(`${title}: histogram.observeMs`, 5_000_000, (round) => histogram.observeMs((round & 1023) * 0.1));
  measure(`${title}: gauge.set`, 5_000_000, (round) => gauge.set(round));
  measure(`${title}: counter(name, labels), same child`, 200_000, () => telemetry.counter('componentExecutions', labels));
  for (let index = 0; index < 300; index++) {
    telemetry.counter('componentExecutions', { model_id: `m${index}`, component_name: 'c' }).add(1);
    telemetry.histogram('componentLatency', { model_id: `m${index}`, component_name: 'c' }).observeMs(1);
  }
  const start = performance.now();
  const text = await telemetry.prometheusText();
  console.log(`${title}: scrape of ${text.split('\n').length} lines`.padEnd(56), (performance.now() - start).toFixed(1).padStart(10), 'ms');
  await telemetry.close();
}
agent.close();
