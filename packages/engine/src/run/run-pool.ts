import type { RequestRun } from './request-run.js';

/** Idle runs of one bound plan, bounded. */
export class RunPool {
  readonly #maxIdle: number;
  readonly #idle: RequestRun[] = [];
  /** Runs ever made; stops growing once the pool is warm. */
  created = 0;
  /** Runs that went to the garbage collector because a component could still reach them. */
  abandoned = 0;

  constructor(maxIdle: number) {
    this.#maxIdle = maxIdle;
  }

  get idle(): number {
    return this.#idle.length;
  }

  /** An idle run, or null: then the caller makes one. */
  take(): RequestRun | null {
    return this.#idle.pop() ?? null;
  }

  /** Only for a run that nothing outside can reach any more. */
  give(run: RequestRun): void {
    if (this.#idle.length < this.#maxIdle) this.#idle.push(run);
  }
}
