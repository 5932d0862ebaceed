// Preloaded into a server: notes how long its event loop was kept from turning, without the time it waited for a processor. On a machine
// that does other things as well, a timer alone cannot tell who was busy.
import { appendFileSync, closeSync, openSync, readSync } from 'node:fs';

const everyMs = 5;
const notedMs = 20;
const place = process.env.SOAK_LOOP_PROBE;
const buffer = Buffer.alloc(128);

/** Milliseconds for which the main thread wanted a processor and got none; 0 where the kernel does not tell. */
function waitedMs() {
  try {
    // Of the main thread: its id is the process's.
    const file = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
    const length = readSync(file, buffer, 0, buffer.length, 0);
    closeSync(file);
    return Number(buffer.toString('latin1', 0, length).split(' ')[1]) / 1e6;
  } catch {
    return 0;
  }
}

if (place !== undefined) {
  let at = performance.now();
  let waited = waitedMs();
  const turn = () => {
    const now = performance.now();
    const waitedNow = waitedMs();
    const blockedMs = now - at - (waitedNow - waited) - everyMs;
    if (blockedMs >= notedMs) appendFileSync(place, `${JSON.stringify({ blockedMs, wallMs: now - at - everyMs })}\n`);
    at = now;
    waited = waitedNow;
    setTimeout(turn, everyMs).unref();
  };
  setTimeout(turn, everyMs).unref();
}
