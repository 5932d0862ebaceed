import { DagError, DagErrorCode } from './errors.js';
import type { Topology } from './topology.js';

/** Who does the work of an {@link Execution}. None of these may throw. */
export interface ExecutionHost {
  /** Start this component. `finish` may be called before `run` returns, or any time later. */
  run(index: number): void;
  /** This component will not run, because component `because` (`skip_dependents`) failed. */
  skipped(index: number, because: number): void;
  /**
   * Called once, last: every component has finished or was skipped, or a `fail` component failed (then others may still be running).
   * The execution may be reset from here on, if nothing is running.
   */
  ended(): void;
}

const WAITING = 0;
const RUNNING = 1;
const FINISHED = 2;
const SKIPPED = 3;

const idle: ExecutionHost = { run: () => {}, skipped: () => {}, ended: () => {} };

/**
 * The counters of one run through a topology: says when a component may start and when all is over. Everything whose dependencies
 * are done starts at once. Works on integers only and allocates nothing after construction, so it can be kept and reset.
 */
export class Execution {
  readonly topology: Topology;
  readonly #state: Uint8Array;
  readonly #waitingFor: Uint16Array;
  /** Components that may start, each at most once: [#head, #tail) have not been started yet. */
  readonly #ready: Uint16Array;
  readonly #toSkip: Uint16Array;
  #head = 0;
  #tail = 0;
  #open = 0;
  #running = 0;
  #failedBy = -1;
  #isDraining = false;
  #isOver = true;
  #host: ExecutionHost = idle;

  constructor(topology: Topology) {
    const count = topology.componentIds.length;
    this.topology = topology;
    this.#state = new Uint8Array(count);
    this.#waitingFor = new Uint16Array(count);
    this.#ready = new Uint16Array(count);
    this.#toSkip = new Uint16Array(count);
    this.reset();
  }

  /** The `fail` component that ended the execution, or −1. */
  get failedBy(): number {
    return this.#failedBy;
  }

  /** Components that were started and have not finished. While it is above 0, what they can reach must not be reused. */
  get running(): number {
    return this.#running;
  }

  /**
   * Makes the execution ready for another `start`.
   * @throws DagError `INFERFLOW_DAG_EXECUTION_BUSY` while a component is running: its late `finish` would count for the next run.
   */
  reset(): void {
    if (this.#running > 0 || this.#isDraining) throw busy(this.#running);
    const { dependencyCounts } = this.topology;
    for (let index = 0; index < this.#state.length; index++) {
      this.#state[index] = WAITING;
      this.#waitingFor[index] = dependencyCounts[index] as number;
    }
    this.#head = 0;
    this.#tail = 0;
    this.#open = this.#state.length;
    this.#failedBy = -1;
    this.#isOver = true;
    this.#host = idle;
  }

  /**
   * Starts every component that waits for nothing; a graph without components has ended when this returns.
   * @throws DagError `INFERFLOW_DAG_EXECUTION_BUSY` when it was started before and not reset since.
   */
  start(host: ExecutionHost): void {
    if (this.#host !== idle || !this.#isOver) throw busy(this.#running);
    this.#host = host;
    this.#isOver = false;
    const roots = this.topology.levels[0];
    if (roots !== undefined) for (let at = 0; at < roots.length; at++) this.#ready[this.#tail++] = roots[at]!;
    this.#drain();
  }

  /** A component has ended. Only the first call for a running component counts; others are ignored. */
  finish(index: number, ok: boolean): void {
    if (this.#state[index] !== RUNNING) return;
    this.#state[index] = FINISHED;
    this.#running--;
    this.#open--;
    if (this.#isOver) return;
    const policy = ok ? 'default' : this.topology.onFailure[index];
    if (policy === 'fail') {
      if (this.#failedBy < 0) this.#failedBy = index;
    } else if (policy === 'skip_dependents') {
      this.#skipDependents(index);
    } else {
      this.#releaseDependents(index);
    }
    if (!this.#isDraining) this.#drain();
  }

  /** Starts nothing from here on, and `ended` is not called any more. What is running may still finish. */
  stop(): void {
    this.#isOver = true;
  }

  #releaseDependents(index: number): void {
    const dependents = this.topology.dependents[index]!;
    for (let at = 0; at < dependents.length; at++) {
      const dependent = dependents[at]!;
      const left = this.#waitingFor[dependent]! - 1;
      this.#waitingFor[dependent] = left;
      if (left === 0 && this.#state[dependent] === WAITING) this.#ready[this.#tail++] = dependent;
    }
  }

  /** None of those that wait for `index`, directly or not, can have started: it ended only now. */
  #skipDependents(index: number): void {
    const open = this.#toSkip;
    let end = this.#markSkipped(index, 0);
    for (let at = 0; at < end; at++) end = this.#markSkipped(open[at]!, end);
    for (let at = 0; at < end && !this.#isOver; at++) this.#host.skipped(open[at]!, index);
  }

  #markSkipped(index: number, end: number): number {
    const dependents = this.topology.dependents[index]!;
    for (let at = 0; at < dependents.length; at++) {
      const dependent = dependents[at]!;
      if (this.#state[dependent] !== WAITING) continue;
      this.#state[dependent] = SKIPPED;
      this.#open--;
      this.#toSkip[end++] = dependent;
    }
    return end;
  }

  /** A list instead of recursion: a chain of a thousand components that finish at once must not need a thousand stack frames. */
  #drain(): void {
    this.#isDraining = true;
    try {
      while (this.#head < this.#tail && this.#failedBy < 0 && !this.#isOver) {
        const index = this.#ready[this.#head++]!;
        this.#state[index] = RUNNING;
        this.#running++;
        this.#host.run(index);
      }
    } finally {
      this.#isDraining = false;
    }
    if (this.#isOver || (this.#open > 0 && this.#failedBy < 0)) return;
    this.#isOver = true;
    this.#host.ended();
  }
}

function busy(running: number): DagError {
  return new DagError(
    DagErrorCode.executionBusy,
    `this execution is in use (${running} components are running); wait for them, reset it, then start it again`,
  );
}
