// Cost of running a graph of six components, without the components: node packages/dag/bench/execution.mjs (after a build).
import { compileTopology, createTopologyCache, Execution, execute, OutcomeStatus, Outcomes } from '@inferflow/dag';

const input = {
  components: ['root', 'user', 'item', 'derived', 'model', 'blend'].map((componentId) => ({ componentId })),
  dependencies: { user: ['root'], item: ['root'], derived: ['item'], model: ['user', 'derived'], blend: ['model'] },
};
const topology = compileTopology(input);
const execution = new Execution(topology);
const outcomes = new Outcomes(topology.componentIds.length);
let ends = 0;
const host = {
  run(index) {
    outcomes.started(index, 1);
    outcomes.ended(index, OutcomeStatus.ok, 0, 2);
    execution.finish(index, true);
  },
  skipped() {},
  ended() {
    ends++;
  },
};
const open = [];
const later = { run: (index) => open.push(index), skipped() {}, ended: () => ends++ };
const noop = { run() {} };
const components = Object.fromEntries(topology.componentIds.map((componentId) => [componentId, noop]));
const cache = createTopologyCache();

function report(name, microseconds, bytes) {
  const memory = bytes === undefined ? '' : `${bytes.toFixed(0).padStart(8)} B`;
  console.log(`${name.padEnd(56)} ${microseconds.toFixed(3).padStart(9)} µs${memory}`);
}

async function measure(name, count, run) {
  for (let round = 0; round < count; round++) await run();
  const before = process.memoryUsage().heapUsed;
  const start = performance.now();
  for (let round = 0; round < count; round++) await run();
  report(name, ((performance.now() - start) * 1000) / count, Math.max(0, (process.memoryUsage().heapUsed - before) / count));
}

function measureSync(name, count, run) {
  let best = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 6; attempt++) {
    const start = performance.now();
    for (let round = 0; round < count; round++) run();
    best = Math.min(best, performance.now() - start);
  }
  const before = process.memoryUsage().heapUsed;
  for (let round = 0; round < count; round++) run();
  report(name, (best * 1000) / count, Math.max(0, (process.memoryUsage().heapUsed - before) / count));
}

measureSync('Execution, 6 components that finish in run()', 200_000, () => {
  outcomes.reset();
  execution.reset();
  execution.start(host);
});
measureSync('Execution, 6 components that finish later', 200_000, () => {
  execution.reset();
  execution.start(later);
  while (open.length > 0) execution.finish(open.pop(), true);
});
measureSync('compileTopology, 6 components', 20_000, () => compileTopology(input));
measureSync('topology cache, hit', 50_000, () => cache.compile(input));
await measure('execute(), 6 synchronous components', 20_000, () => execute(topology, components, undefined));
if (ends === 0) throw new Error('nothing ran');
