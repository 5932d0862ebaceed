import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { sleep } from '../testing/probe-call.js';
import { PatientTimer } from './patient-timer.js';

/** Nothing is read meanwhile. */
function work(forMs: number): void {
  const end = performance.now() + forMs;
  while (performance.now() < end);
}

describe('PatientTimer', () => {
  it('tells when the time is over, once, and not when it was stopped', async () => {
    let overs = 0;
    new PatientTimer(20, () => overs++);
    const stopped = new PatientTimer(20, () => overs++);
    stopped.stop();
    await sleep(120);
    expect(overs).toBe(1);
  });

  it('does not blame a peer for what this process had no time to read', async () => {
    const { port1, port2 } = new MessageChannel();
    let isOver = false;
    const timer = new PatientTimer(30, () => {
      isOver = true;
    });
    const arrived = once(port1, 'message').then(() => timer.stop());
    port2.postMessage('in time');
    work(60);
    await arrived;
    await sleep(100);
    expect(isOver).toBe(false);
    port1.close();
  });

  it('grants that once: who works all the time gives up, too', async () => {
    let isOver = false;
    new PatientTimer(30, () => {
      isOver = true;
    });
    const end = performance.now() + 1000;
    while (!isOver && performance.now() < end) {
      work(20);
      await sleep(0);
    }
    expect(isOver).toBe(true);
  });
});
