import { givesPerLook, IdleList } from '@inferflow/transport';
import type { RequestRun } from './request-run.js';

/** Idle runs of a whole engine: callers choose request schemas, and each has a pool of its own. */
export class IdleBudget {
  idle = 0;
  readonly max: number;

  constructor(max: number) {
    this.max = max;
  }
}

/**
 * Idle runs of one bound plan, bounded by itself and by what all pools of the engine may hold together. What a burst left is let go little
 * by little, as long as requests of its kind come.
 */
export class RunPool {
  /** Runs ever made; stops growing once the pool is warm. */
  created = 0;
  /** Runs that went to the garbage collector because a component could still reach them, or because memory ran out in them. */
  abandoned = 0;
  readonly #maxIdle: number;
  readonly #budget: IdleBudget;
  readonly #idle = new IdleList<RequestRun>();
  readonly #onDropped = () => {
    this.#budget.idle--;
  };
  #gives = 0;
  #isClosed = false;

  constructor(maxIdle: number, budget: IdleBudget) {
    this.#maxIdle = maxIdle;
    this.#budget = budget;
  }

  get idle(): number {
    return this.#idle.length;
  }

  /** An idle run, or null: then the caller makes one. */
  take(): RequestRun | null {
    const run = this.#idle.take();
    if (run === undefined) return null;
    this.#budget.idle--;
    return run;
  }

  /** Only for a run that nothing outside can reach any more. */
  give(run: RequestRun): void {
    if (++this.#gives === givesPerLook) {
      this.#gives = 0;
      this.#idle.letGo(this.#onDropped);
    }
    if (this.#isClosed || this.#idle.length >= this.#maxIdle || this.#budget.idle >= this.#budget.max) return;
    this.#idle.give(run);
    this.#budget.idle++;
  }

  /** The plan is no longer used by new requests; runs that are out are not kept when they come back. */
  close(): void {
    this.#isClosed = true;
    this.#budget.idle -= this.#idle.length;
    this.#idle.clear();
  }
}
