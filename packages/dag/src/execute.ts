import { closestName } from './closest-name.js';
import { DagError, DagErrorCode } from './errors.js';
import { Execution, type ExecutionHost } from './execution.js';
import { OutcomeStatus } from './outcome.js';
import type { Topology } from './topology.js';

/** A component as {@link execute} runs it. */
export interface ExecutableComponent<Context> {
  /**
   * Does the work; the component has failed if it throws or rejects. One that returns synchronously costs no promise.
   * `signal` is aborted when the component's deadline has passed or the execution ends early: settle soon, what comes later is ignored.
   */
  run(context: Context, signal: AbortSignal): void | PromiseLike<void>;
  /** Milliseconds from its start; `Infinity` for none. @default the `deadlineMs` of the execution */
  readonly deadlineMs?: number;
}

/** Settings of one execution. */
export interface ExecuteOptions {
  /** Ends the execution early: nothing more is started, what is running is told. */
  readonly signal?: AbortSignal;
  /** Milliseconds for each component that has no deadline of its own; `Infinity` lets one that never settles hang the execution. @default 30000 */
  readonly deadlineMs?: number;
  /** Milliseconds that a component whose signal was aborted may take to settle before it is abandoned. @default 0: until the end of the turn */
  readonly graceMs?: number;
}

/** What happened to one component. */
export interface ComponentOutcome {
  readonly componentId: string;
  /** `abandoned`: it ignored its signal and may still be running; nothing it can reach should be reused. */
  readonly status: OutcomeStatus;
  /** On the clock of `performance.now()`; 0 if it was never started. */
  readonly startedAt: number;
  readonly durationMs: number;
  /** What it threw, or the DagError its signal was aborted with. */
  readonly error?: unknown;
  /** For a skipped component: the failed one it waits for. */
  readonly skippedBecause?: string;
}

/** How an execution ended, component by component. */
export interface ExecutionResult {
  /** By component id, in topological order. One that was not reached is `pending`. */
  readonly outcomes: ReadonlyMap<string, ComponentOutcome>;
  readonly durationMs: number;
}

const DEFAULT_DEADLINE_MS = 30_000;
/** Node fires timers beyond this at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Runs every component as soon as those it waits for are done, and resolves when all have ended.
 * No component can hold the result past its deadline: one that ignores its signal is `abandoned`.
 *
 * Rejects with a DagError that carries the outcomes in `result`: `INFERFLOW_DAG_COMPONENT_FAILED` when a component whose policy is
 * `fail` failed, `INFERFLOW_DAG_ABORTED` when `signal` was aborted. Without a result: `INFERFLOW_DAG_UNKNOWN_COMPONENT` when the
 * topology names a component that is not in `components`, `INFERFLOW_DAG_OPTION_INVALID`.
 */
export async function execute<Context>(
  topology: Topology,
  components: Readonly<Record<string, ExecutableComponent<Context>>>,
  context: Context,
  options: ExecuteOptions = {},
): Promise<ExecutionResult> {
  const resolved = {
    signal: options.signal,
    deadlineMs: checkedMs('deadlineMs', options.deadlineMs ?? DEFAULT_DEADLINE_MS),
    graceMs: checkedMs('graceMs', options.graceMs ?? 0),
  };
  const inOrder = topology.componentIds.map((componentId) => componentNamed(components, componentId));
  for (const [index, { deadlineMs }] of inOrder.entries())
    if (deadlineMs !== undefined) checkedMs(`${topology.componentIds[index]}.deadlineMs`, deadlineMs);
  return new Promise((resolve, reject) => {
    new PromiseHost(topology, inOrder, context, resolved, resolve, reject).start();
  });
}

function componentNamed<Context>(
  components: Readonly<Record<string, ExecutableComponent<Context>>>,
  componentId: string,
): ExecutableComponent<Context> {
  const component = Object.hasOwn(components, componentId) ? components[componentId] : undefined;
  if (component !== undefined) return component;
  const guess = closestName(componentId, Object.keys(components));
  const message = `the topology names component "${componentId}", which was not given${guess === undefined ? '' : `; did you mean "${guess}"?`}`;
  throw new DagError(DagErrorCode.unknownComponent, message, { componentId });
}

function checkedMs(name: string, value: number): number {
  // A text would pass a comparison, and be appended where it is added.
  if (typeof value === 'number' && value >= 0) return value;
  throw new DagError(
    DagErrorCode.optionInvalid,
    `${name} is ${typeof value === 'string' ? JSON.stringify(value) : String(value)}; expected milliseconds, 0 or more`,
  );
}

interface ResolvedExecuteOptions {
  readonly signal: AbortSignal | undefined;
  readonly deadlineMs: number;
  readonly graceMs: number;
}

/** One component at work. */
interface ActiveComponent {
  readonly controller: AbortController;
  readonly startedAt: number;
  timer: NodeJS.Timeout | undefined;
  giveUp: NodeJS.Immediate | undefined;
}

/** Why an execution ends before its last component. */
interface EarlyEnd {
  readonly code: DagErrorCode;
  readonly message: string;
  readonly cause: unknown;
  readonly componentId?: string;
}

class PromiseHost<Context> implements ExecutionHost {
  readonly #topology: Topology;
  readonly #components: readonly ExecutableComponent<Context>[];
  readonly #context: Context;
  readonly #options: ResolvedExecuteOptions;
  readonly #resolve: (result: ExecutionResult) => void;
  readonly #reject: (error: DagError) => void;
  readonly #execution: Execution;
  readonly #startedAt = performance.now();
  readonly #outcomes: (ComponentOutcome | undefined)[];
  readonly #active = new Map<number, ActiveComponent>();
  /** Set once the result is known to be an error; it is delivered when the last active component has settled or was abandoned. */
  #failure: EarlyEnd | undefined;
  #isDelivered = false;

  constructor(
    topology: Topology,
    components: readonly ExecutableComponent<Context>[],
    context: Context,
    options: ResolvedExecuteOptions,
    resolve: (result: ExecutionResult) => void,
    reject: (error: DagError) => void,
  ) {
    this.#topology = topology;
    this.#components = components;
    this.#context = context;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#execution = new Execution(topology);
    this.#outcomes = new Array<ComponentOutcome | undefined>(components.length);
  }

  start(): void {
    const { signal } = this.#options;
    if (signal?.aborted) {
      this.#endEarly(this.#abortedFailure());
      return;
    }
    signal?.addEventListener('abort', this.#onAbort);
    this.#execution.start(this);
  }

  run(index: number): void {
    const component = this.#components[index]!;
    const active: ActiveComponent = {
      controller: new AbortController(),
      startedAt: performance.now(),
      timer: undefined,
      giveUp: undefined,
    };
    this.#active.set(index, active);
    let pending: PromiseLike<void> | null;
    try {
      const returned = component.run(this.#context, active.controller.signal);
      // A getter may throw, too.
      pending = isPromiseLike(returned) ? returned : null;
    } catch (error) {
      this.#settle(index, OutcomeStatus.failed, error);
      return;
    }
    if (pending === null) {
      this.#settle(index, OutcomeStatus.ok, undefined);
      return;
    }
    const deadlineMs = component.deadlineMs ?? this.#options.deadlineMs;
    if (deadlineMs <= LONGEST_TIMER_MS && !active.controller.signal.aborted) {
      const leftMs = Math.max(0, active.startedAt + deadlineMs - performance.now());
      active.timer = setTimeout(() => this.#deadlinePassed(index, deadlineMs), leftMs);
    }
    this.#watch(index, pending);
  }

  skipped(index: number, because: number): void {
    const componentId = this.#topology.componentIds[index]!;
    const skippedBecause = this.#topology.componentIds[because]!;
    this.#outcomes[index] = { componentId, status: OutcomeStatus.skipped, startedAt: 0, durationMs: 0, skippedBecause };
  }

  ended(): void {
    const index = this.#execution.failedBy;
    if (index < 0) {
      this.#deliver();
      return;
    }
    const componentId = this.#topology.componentIds[index]!;
    const message = `component "${componentId}" failed, and its failure policy is "fail"`;
    this.#endEarly({ code: DagErrorCode.componentFailed, message, cause: this.#outcomes[index]?.error, componentId });
  }

  readonly #onAbort = (): void => this.#endEarly(this.#abortedFailure());

  #abortedFailure(): EarlyEnd {
    const message = 'the execution was aborted by its caller';
    return { code: DagErrorCode.aborted, message, cause: this.#options.signal?.reason };
  }

  #watch(index: number, pending: PromiseLike<void>): void {
    try {
      pending.then(
        () => this.#settle(index, OutcomeStatus.ok, undefined),
        (error: unknown) => this.#settle(index, OutcomeStatus.failed, error),
      );
    } catch (error) {
      this.#settle(index, OutcomeStatus.failed, error);
    }
  }

  #deadlinePassed(index: number, deadlineMs: number): void {
    const componentId = this.#topology.componentIds[index]!;
    const message = `component "${componentId}" did not settle within its deadline of ${deadlineMs} ms`;
    this.#cancel(index, new DagError(DagErrorCode.deadlineExceeded, message, { componentId }));
  }

  /** Tells a component to stop, and abandons it if it does not. One that obeys settles before the end of the turn. */
  #cancel(index: number, reason: DagError): void {
    const active = this.#active.get(index);
    if (active === undefined || active.controller.signal.aborted) return;
    clearTimeout(active.timer);
    const abandon = () => this.#settle(index, OutcomeStatus.abandoned, reason);
    const { graceMs } = this.#options;
    if (graceMs === 0) active.giveUp = setImmediate(abandon);
    else active.timer = setTimeout(abandon, Math.min(graceMs, LONGEST_TIMER_MS));
    active.controller.abort(reason);
  }

  /** Only the first settling of a component counts: an abandoned one is no longer active. */
  #settle(index: number, status: OutcomeStatus, error: unknown): void {
    const active = this.#active.get(index);
    if (active === undefined) return;
    this.#active.delete(index);
    clearTimeout(active.timer);
    clearImmediate(active.giveUp);
    const { startedAt } = active;
    const outcome = { componentId: this.#topology.componentIds[index]!, status, startedAt, durationMs: performance.now() - startedAt };
    this.#outcomes[index] = status === OutcomeStatus.ok ? outcome : { ...outcome, error };
    this.#execution.finish(index, status === OutcomeStatus.ok);
    if (this.#failure !== undefined && this.#active.size === 0) this.#deliver();
  }

  #endEarly(failure: EarlyEnd): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#execution.stop();
    const reason = new DagError(failure.code, failure.message, { cause: failure.cause, componentId: failure.componentId });
    for (const index of [...this.#active.keys()]) this.#cancel(index, reason);
    if (this.#active.size === 0) this.#deliver();
  }

  #deliver(): void {
    if (this.#isDelivered) return;
    this.#isDelivered = true;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    const outcomes = new Map<string, ComponentOutcome>();
    for (const [index, componentId] of this.#topology.componentIds.entries()) {
      const pending: ComponentOutcome = { componentId, status: OutcomeStatus.pending, startedAt: 0, durationMs: 0 };
      outcomes.set(componentId, this.#outcomes[index] ?? pending);
    }
    const result: ExecutionResult = { outcomes, durationMs: performance.now() - this.#startedAt };
    if (this.#failure === undefined) {
      this.#resolve(result);
      return;
    }
    const { code, message, cause, componentId } = this.#failure;
    this.#reject(new DagError(code, message, { cause, componentId, result }));
  }
}

function isPromiseLike(value: void | PromiseLike<void>): value is PromiseLike<void> {
  return typeof value === 'object' && value !== null && typeof value.then === 'function';
}
