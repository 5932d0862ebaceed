import { delivery } from '@inferflow/transport';

/** Time that this process spends on one request: waiting for its turn included, waiting for upstreams not. Milliseconds, `performance.now()` clock. */
export class WorkClock {
  /** Code of the request is running now. */
  isRunning = false;
  #doneMs = 0;
  #since = 0;

  /** A request came. */
  begin(at: number): void {
    this.isRunning = true;
    this.#doneMs = 0;
    this.#since = at;
  }

  /** What an upstream answered is work from the moment it was handed over. */
  resume(now: number): void {
    this.isRunning = true;
    this.#since = delivery.since > 0 ? delivery.since : now;
  }

  /** Nothing goes on until an upstream answers. */
  pause(now: number): void {
    this.isRunning = false;
    this.#doneMs += now - this.#since;
  }

  /** Up to now. */
  totalMs(now: number): number {
    return this.#doneMs + (this.isRunning ? now - this.#since : 0);
  }
}
