import { expect, it } from 'vitest';
import { sleep } from '../testing/probe-call.js';
import { ServerLoad } from './server-load.js';

/** One turn that keeps the loop for so long. */
async function stall(load: ServerLoad, ms: number): Promise<void> {
  const began = performance.now();
  load.arrived(began);
  while (performance.now() - began < ms);
  await new Promise((resolve) => setImmediate(resolve));
}

it('knows how long turns take while they follow each other, and forgets it once the loop has rested', async () => {
  const load = new ServerLoad();
  await stall(load, 60);
  expect(load.lagMs(performance.now())).toBeGreaterThan(50);
  await stall(load, 60);
  expect(load.lagMs(performance.now())).toBeGreaterThan(50);
  await sleep(20);
  expect(load.lagMs(performance.now())).toBe(0);
});
