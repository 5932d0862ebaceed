import { ModelServerError } from '../errors.js';
import { LONGEST_TIMER_MS } from '../longest-timer.js';
import type { InferOptions, Runner } from '../runner.js';
import type { Tensor } from '../tensor.js';
import { type HostCall, type HostModel, HostProcess, type HostSignature } from './host-process.js';
import { PoolCall } from './pool-call.js';

/** What a pool of processes loads, and its bounds. */
export interface OnnxPoolOptions {
  readonly models: readonly HostModel[];
  /** Inferences at the same time: each has a process of its own, with all models. */
  readonly threads: number;
  /** Threads of one inference. */
  readonly intraOpThreads: number;
  /** Calls that wait for a process; more are refused. */
  readonly maxQueuedCalls: number;
  /** Longest run in ms; beyond it the process is ended, which is the only way to stop a run. */
  readonly maxRunMs: number;
  /** The program of a process. */
  readonly program: URL;
}

/** Calls sent to a process at once: the second lies ready when the first is answered. */
const CALLS_PER_HOST = 2;
const FIRST_RESTART_MS = 250;
const LONGEST_RESTART_MS = 30_000;
/** A process that lived this long starts over with the shortest wait. */
const HEALTHY_MS = 60_000;

interface Slot {
  host: HostProcess | null;
  isReady: boolean;
  startedAt: number;
  failures: number;
  restart: NodeJS.Timeout | null;
  watchdog: NodeJS.Timeout | null;
}

/** ONNX models in processes beside this one. A process that ends is replaced; calls it was running fail, others go elsewhere. */
export class OnnxPool {
  readonly #options: OnnxPoolOptions;
  readonly #slots: Slot[];
  #queue: PoolCall[] = [];
  #signatures: readonly HostSignature[] = [];
  #isClosed = false;
  /** Whether what was accepted before is not waited for any longer. */
  #isGraceOver = false;
  /** Why the last process that should have replaced another did not. */
  #restartTrouble = '';
  #whenIdle: (() => void) | null = null;

  private constructor(options: OnnxPoolOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.threads }, () => ({
      host: null,
      isReady: false,
      startedAt: 0,
      failures: 0,
      restart: null,
      watchdog: null,
    }));
  }

  /**
   * Starts the processes and loads all models in each.
   *
   * @throws ModelServerError when a model cannot be loaded
   */
  static async create(options: OnnxPoolOptions): Promise<OnnxPool> {
    const pool = new OnnxPool(options);
    try {
      [pool.#signatures = []] = await Promise.all(pool.#slots.map((slot) => pool.#start(slot)));
    } catch (error) {
      await pool.close(0);
      throw error;
    }
    return pool;
  }

  /** Whether any process can take a call. */
  get isReady(): boolean {
    return !this.#isClosed && this.#slots.some((slot) => slot.isReady);
  }

  /** Ids of the processes that are up. */
  get processIds(): readonly number[] {
    return this.#slots.flatMap((slot) => (slot.isReady && slot.host?.pid !== undefined ? [slot.host.pid] : []));
  }

  /** Runs model i of `models`. */
  runner(index: number): Runner {
    const { inputs, outputs } = this.#signatures[index]!;
    const pool = this;
    return {
      platform: 'onnx_onnxv1',
      inputs: inputs.map((spec) => Object.freeze(spec)),
      outputs: outputs.map((spec) => Object.freeze(spec)),
      get isReady() {
        return pool.isReady;
      },
      infer: (tensors, options) => pool.#infer(index, tensors, options),
    };
  }

  /** Lets what was accepted finish for `graceMs`, then ends the processes and fails the rest. */
  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    if (graceMs > 0 && !this.#isIdle()) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(graceMs, LONGEST_TIMER_MS));
        this.#whenIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#isGraceOver = true;
    for (const call of this.#queue.splice(0)) call.failed(closedError());
    const hosts = this.#slots.flatMap((slot) => slot.host ?? []);
    for (const slot of this.#slots) {
      slot.isReady = false;
      if (slot.restart !== null) clearTimeout(slot.restart);
    }
    for (const host of hosts) host.kill('closed');
    await Promise.all(hosts.map((host) => host.exited));
  }

  #infer(model: number, inputs: readonly Tensor[], options: InferOptions): Promise<readonly Tensor[]> {
    const outputs = options.outputs ?? this.#signatures[model]!.outputs.map((spec) => spec.name);
    return new Promise((resolve, reject) => {
      const call = new PoolCall({ model, inputs, outputs, resolve, reject });
      if (this.#isClosed) call.failed(closedError());
      else if (!this.isReady)
        call.failed(
          new ModelServerError('INFERFLOW_MODEL_SERVER_UNAVAILABLE', `the inference process is restarting${this.#restartTrouble}`),
        );
      else if (this.#queue.length >= this.#options.maxQueuedCalls && this.#freeSlot() === undefined) {
        call.failed(new ModelServerError('INFERFLOW_MODEL_SERVER_OVERLOADED', `${this.#queue.length} calls are waiting already`));
      } else {
        call.watch(options, () => {
          this.#queue = this.#queue.filter((queued) => queued !== call);
        });
        if (call.isOver) return;
        this.#queue.push(call);
        this.#dispatch();
      }
    });
  }

  #freeSlot(): Slot | undefined {
    let best: Slot | undefined;
    for (const slot of this.#slots) {
      if (!slot.isReady || slot.host === null || slot.host.pendingCount >= CALLS_PER_HOST) continue;
      if (best === undefined || slot.host.pendingCount < best.host!.pendingCount) best = slot;
    }
    return best;
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const slot = this.#freeSlot();
      if (slot === undefined) return;
      const call = this.#queue.shift()!;
      call.answered = () => this.#answered(slot);
      slot.host!.send(call);
      if (slot.host!.pendingCount === 1) this.#armWatchdog(slot);
    }
    if (this.#whenIdle !== null && this.#isIdle()) this.#whenIdle();
  }

  #answered(slot: Slot): void {
    this.#armWatchdog(slot);
    this.#dispatch();
  }

  #armWatchdog(slot: Slot): void {
    if (slot.watchdog !== null) clearTimeout(slot.watchdog);
    slot.watchdog = null;
    if (slot.host === null || slot.host.pendingCount === 0) return;
    const { maxRunMs } = this.#options;
    slot.watchdog = setTimeout(() => slot.host?.kill(`a run took longer than ${maxRunMs} ms`), Math.min(maxRunMs, LONGEST_TIMER_MS));
    slot.watchdog.unref();
  }

  #isIdle(): boolean {
    return this.#queue.length === 0 && this.#slots.every((slot) => (slot.host?.pendingCount ?? 0) === 0);
  }

  async #start(slot: Slot): Promise<readonly HostSignature[]> {
    slot.startedAt = performance.now();
    const host = new HostProcess({
      models: this.#options.models,
      intraOpThreads: this.#options.intraOpThreads,
      program: this.#options.program,
      ended: (reason, unfinished) => this.#ended(slot, host, reason, unfinished),
    });
    slot.host = host;
    const signatures = await host.loaded;
    this.#checkSame(signatures);
    slot.isReady = true;
    this.#restartTrouble = '';
    this.#dispatch();
    return signatures;
  }

  /** Calls are checked against what was loaded first: what takes or gives anything else must not answer them. */
  #checkSame(signatures: readonly HostSignature[]): void {
    const other = this.#signatures.findIndex((signature, index) => JSON.stringify(signature) !== JSON.stringify(signatures[index]));
    if (other < 0) return;
    const { name, file } = this.#options.models[other]!;
    throw new ModelServerError(
      'INFERFLOW_MODEL_SERVER_MODEL_INVALID',
      `model '${name}'${file === undefined ? '' : ` (${file})`}: its file was replaced by one with other inputs or outputs; load the models anew to serve it`,
    );
  }

  #ended(slot: Slot, host: HostProcess, reason: string, unfinished: readonly HostCall[]): void {
    if (slot.host !== host) return;
    slot.host = null;
    slot.isReady = false;
    this.#armWatchdog(slot);
    const [running, ...waiting] = unfinished as readonly PoolCall[];
    const error = (): ModelServerError =>
      this.#isGraceOver
        ? closedError()
        : new ModelServerError('INFERFLOW_MODEL_SERVER_UNAVAILABLE', `the inference process ended (${reason})`);
    running?.failed(error());
    // The others had not begun: another process may run them.
    this.#queue.unshift(...waiting.filter((call) => !call.isOver));
    if (!this.#slots.some((other) => other.isReady)) for (const call of this.#queue.splice(0)) call.failed(error());
    // Before the first load has succeeded there is nobody to serve: the load's own error is told instead.
    if (this.#signatures.length > 0 && !this.#isClosed) this.#restartLater(slot);
    this.#dispatch();
  }

  #restartLater(slot: Slot): void {
    slot.failures = performance.now() - slot.startedAt > HEALTHY_MS ? 0 : slot.failures + 1;
    const wait = Math.min(LONGEST_RESTART_MS, FIRST_RESTART_MS * 2 ** Math.max(0, slot.failures - 1));
    slot.restart = setTimeout(
      () => {
        slot.restart = null;
        // A load that fails now is tried again; the models were fine before.
        this.#start(slot).catch((error: Error) => {
          this.#restartTrouble = `: ${error.message}`;
          if (slot.host !== null) slot.host.kill('it could not load its models');
          // What was never started has no end that would be told of.
          else if (slot.restart === null && !this.#isClosed) this.#restartLater(slot);
        });
      },
      wait * (0.75 + Math.random() / 2),
    );
    slot.restart.unref();
  }
}

function closedError(): ModelServerError {
  return new ModelServerError('INFERFLOW_MODEL_SERVER_UNAVAILABLE', 'the models were closed');
}
