// Preloaded into a server that runs with --expose-gc: on SIGUSR2 collects all garbage and writes what is left.
import { renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const place = process.env.SOAK_HEAP_PROBE;

if (place !== undefined)
  process.on('SIGUSR2', async () => {
    // What native objects hold is freed after a collection, and found by the next.
    for (let turn = 0; turn < 3; turn++) {
      globalThis.gc();
      await sleep(20);
    }
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    writeFileSync(`${place}.tmp`, JSON.stringify({ heapUsed, external, arrayBuffers }));
    renameSync(`${place}.tmp`, place);
  });
