// Loaded into every Node server under test: on SIGUSR2 writes how long garbage collection has paused it so far, in microseconds.
import { writeFileSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';

const file = process.env.BENCH_GC_FILE;
if (file !== undefined) {
  let total = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) total += duration * 1000;
  }).observe({ entryTypes: ['gc'] });
  process.on('SIGUSR2', () => writeFileSync(file, String(total)));
}
