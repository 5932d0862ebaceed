// One run of a suite: its checks, and everything that has to be taken down when it ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { patient } from './patience.mjs';

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class SuiteRun {
  #report;
  #cleanups = [];

  /** @param {(result: { ok: boolean, name: string }) => void} report told of every check */
  constructor(report) {
    this.#report = report;
  }

  /** Prints one line and counts it. The detail is shown whatever the result: figures are part of the answer. */
  check(name, ok, detail = '') {
    const isOk = Boolean(ok);
    console.log(`${isOk ? 'ok   ' : 'FAIL '} ${name}${detail === '' ? '' : `  (${detail})`}`);
    this.#report({ kind: 'check', ok: isOk, name });
    return isOk;
  }

  /** A line that is neither passed nor failed: a figure, or something that could not be tried here. */
  note(text) {
    console.log(`      ${text}`);
  }

  /** Called when the run ends, last registered first. */
  defer(cleanup) {
    this.#cleanups.push(cleanup);
  }

  /** A directory that goes away with the run. */
  directory(prefix = 'inferflow-soak-') {
    const path = mkdtempSync(join(tmpdir(), prefix));
    this.defer(() => rmSync(path, { recursive: true, force: true }));
    return path;
  }

  async close() {
    for (const cleanup of this.#cleanups.splice(0).reverse()) {
      try {
        await Promise.race([cleanup(), sleep(5000)]);
      } catch (error) {
        console.log(`      clean-up: ${error.message}`);
      }
    }
  }
}

/** Waits until a condition holds; false when it did not within the time, in a patient run within more. */
export async function until(condition, timeoutMs, everyMs = 20) {
  const end = performance.now() + patient(timeoutMs);
  for (;;) {
    if (await condition()) return true;
    if (performance.now() >= end) return false;
    await sleep(everyMs);
  }
}
