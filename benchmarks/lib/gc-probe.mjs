// Loaded into every Node process under test: leaves a file `<BENCH_GC_FILE>.<pid>`, and on SIGUSR2 writes there how long garbage collection
// has paused the process so far, in microseconds. Who leaves no file is not a Node process and gets no signal.
import { writeFileSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const prefix = process.env.BENCH_GC_FILE;
if (prefix !== undefined && isMainThread) {
  const file = `${prefix}.${process.pid}`;
  let total = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) total += duration * 1000;
  }).observe({ entryTypes: ['gc'] });
  process.on('SIGUSR2', () => writeFileSync(file, String(total)));
  writeFileSync(file, '0');
}
