import { type DeliveryGuest, delivery, joinDelivery } from '@inferflow/transport';

/** Time that this process spends on one request: waiting for its turn included, waiting for upstreams not. Milliseconds, `performance.now()` clock. */
export class WorkClock implements DeliveryGuest {
  /** Code of the request is running now. */
  isRunning = false;
  /** It runs until the answer that is handed over has been. */
  #isGuest = false;
  #doneMs = 0;
  #since = 0;
  #pausedAt = 0;

  /** A request came. */
  begin(at: number): void {
    this.isRunning = true;
    this.#isGuest = false;
    this.#doneMs = 0;
    this.#since = at;
    this.#pausedAt = at;
  }

  /** What an upstream answered is work from the moment its bytes were read, but nothing is counted twice. */
  resume(now: number): void {
    this.isRunning = true;
    this.#since = Math.max(delivery.since > 0 ? delivery.since : now, this.#pausedAt);
  }

  /** A call of the request has ended: what is done until its answer has been handed over is work, whether a component ends with it or not. */
  resumeForDelivery(): void {
    if (this.isRunning || delivery.since === 0) return;
    this.resume(delivery.since);
    this.#isGuest = true;
    joinDelivery(this);
  }

  /** Nothing goes on until an upstream answers. */
  pause(now: number): void {
    this.isRunning = false;
    this.#isGuest = false;
    this.#doneMs += now - this.#since;
    this.#pausedAt = now;
  }

  /** The request is over. */
  end(): void {
    this.isRunning = false;
    this.#isGuest = false;
  }

  get hasLeft(): boolean {
    return !this.#isGuest;
  }

  delivered(now: number): void {
    this.pause(now);
  }

  /** Up to now. */
  totalMs(now: number): number {
    return this.#doneMs + (this.isRunning ? now - this.#since : 0);
  }
}
