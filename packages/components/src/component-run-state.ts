import { Block, type BlockOptions, type BlockShape, CellStatus, type Matrix, type RowSet, type Slate } from '@inferflow/matrix';
import type { CallScope, ScopeEnd } from '@inferflow/transport';
import { GrpcCode } from '@inferflow/transport';
import { BoundColumns } from './bound-columns.js';
import type { ComponentBinding } from './component-binding.js';
import type { ComponentRun, OwnBlockOptions, RequestInfo } from './component-run.js';
import { PENDING } from './define-component.js';
import { brokenContract, ComponentError } from './errors.js';
import { FailedCells } from './failed-cells.js';
import { asFailure, createFailure, type Failure } from './failure.js';
import { RowFaultList, type RowFaults } from './row-faults.js';
import { type CallHost, ServiceCalls } from './service-calls.js';

/** Who runs components: told exactly once per `begin`. */
export interface RunHost extends CallHost {
  componentEnded(index: number, failure: Failure | null): void;
  /** In its stead: what the component left open could not be marked, for want of memory. The matrix must not be read. */
  componentBroke(error: unknown): void;
}

const emptyRows: RowSet = Object.freeze({ count: 0, rows: null, slateOf: null });

/**
 * One component of one request: the `run` that its author sees, and what the engine drives it with. Pooled: `begin` … `end`, again and
 * again, but never while it is `busy` — then somebody may still write through it, and it goes to the garbage collector — nor when it is spent.
 */
export class ComponentRunState implements ComponentRun {
  readonly binding: ComponentBinding;
  readonly index: number;
  readonly state: unknown = undefined;
  readonly reads: ComponentRun['reads'];
  readonly writes: ComponentRun['writes'];
  readonly calls = new ServiceCalls();
  rows: RowSet = emptyRows;
  slate: Slate | null = null;
  readonly #columns: BoundColumns;
  readonly #faults = new RowFaultList();
  readonly #failedCells: FailedCells;
  #host: RunHost | null = null;
  #request: RequestInfo | null = null;
  #scope: CallScope | null = null;
  #matrix: Matrix | null = null;
  #block: Block | null = null;
  #spare: Block | null = null;
  /** Longest time that it gave a call, in ms; 0 = it made none. */
  #calledForMs = 0;
  #isRunning = false;
  /** The component said PENDING and has not ended. */
  #isOut = false;
  /** A promise that it returned has not settled. */
  #hasPromise = false;
  #isSpent = false;
  /** `createState` threw: each of its requests fails for it, and the next one tries again. */
  readonly #stateError: { readonly error: unknown } | null = null;

  constructor(binding: ComponentBinding, index: number) {
    this.binding = binding;
    this.index = index;
    this.#failedCells = new FailedCells(binding.componentName, binding.write.shape);
    this.#columns = new BoundColumns(binding, this.#faults, this.#failedCells);
    this.reads = this.#columns.reads;
    this.writes = this.#columns.writes;
    try {
      this.state = binding.component.createState();
    } catch (error) {
      this.#stateError = { error };
    }
  }

  /** Rows without a real result. Valid until `end`. */
  get faults(): RowFaults {
    return this.#faults;
  }

  /** Something outside still holds the run: a promise that has not settled, or a pending component that has not ended. */
  get busy(): boolean {
    return this.#isOut || this.#hasPromise;
  }

  /** Code of the component may have kept it, and speak late: the next request gets a new one. */
  get isSpent(): boolean {
    return this.#isSpent;
  }

  /** What the component wrote, null when there is none. */
  get written(): Block | null {
    return this.#block;
  }

  /** How long the component's calls were allowed to take at most, in ms; 0 when it made none. Valid until `end`. */
  get calledForMs(): number {
    return this.#calledForMs;
  }

  get block(): Block {
    if (this.#block === null)
      throw new ComponentError(
        'INFERFLOW_COMPONENTS_RUN_ENDED',
        `${this.#name}: there is no block; it writes nothing, has not called createBlock, or ended`,
      );
    return this.#block;
  }

  get request(): RequestInfo {
    return this.#request ?? this.#over();
  }

  get scope(): CallScope {
    return this.#scope ?? this.#over();
  }

  get signal(): AbortSignal {
    return this.scope.signal;
  }

  /** Runs the component. Never throws; a component that does not wait ends inside. */
  begin(host: RunHost, matrix: Matrix, slate: Slate | null, rows: RowSet, scope: CallScope, request: RequestInfo): void {
    if (this.busy || this.#isRunning) throw brokenContract(`${this.#name}: a run is begun while it is still out`);
    const { component } = this.binding;
    this.#host = host;
    this.calls.host = host;
    this.#request = request;
    this.#scope = scope;
    this.rows = rows;
    this.slate = component.scope === 'slate' ? slate : null;
    this.#matrix = component.scope === 'slate' ? (slate?.matrix ?? null) : matrix;
    this.#isRunning = true;
    this.#calledForMs = 0;
    if (component.scope === 'slate' && slate === null) {
      this.#finish(null);
      return;
    }
    let failure: Failure | null = null;
    let isWaiting = false;
    this.#isSpent = !component.reusesRun;
    try {
      if (this.#stateError !== null) throw this.#stateError.error;
      this.#columns.bind(matrix, this.slate, rows);
      if (component.rows === 'rows' && this.binding.write.shape !== null) this.#openBlock((this.#matrix as Matrix).rowCount, undefined);
      const result: unknown = component.execute(this);
      if (result === PENDING) {
        this.#isOut = this.#isRunning;
        isWaiting = true;
      } else if (isThenable(result)) {
        this.#await(result);
        isWaiting = true;
      } else this.#isSpent = false;
    } catch (error) {
      failure = this.#thrown(error);
      if (this.#stateError === null) this.#letGo('cancelled');
    }
    if (!isWaiting) this.#finish(failure);
  }

  createBlock(rowCount: number, options?: OwnBlockOptions): Block {
    if (this.binding.component.rows !== 'own' || this.binding.write.shape === null) {
      throw new ComponentError(
        'INFERFLOW_COMPONENTS_CONTRACT',
        `${this.#name}: createBlock is for components whose writes say rows: 'own'`,
      );
    }
    if (this.#block !== null) throw brokenContract(`${this.#name}: createBlock was called twice`);
    if (!this.#isRunning) return this.#over();
    return this.#openBlock(rowCount, options, options?.shape);
  }

  callDeadline(deadlineMs: number, now = performance.now()): number {
    if (deadlineMs > this.#calledForMs) this.#calledForMs = deadlineMs;
    return Math.min(now + deadlineMs, this.scope.deadline - this.request.reserveMs);
  }

  done(): void {
    this.#endFromOutside(null);
  }

  failed(failure: Failure): void {
    this.#endFromOutside(asFailure(failure, this.#name));
  }

  failRows(from: number, to: number, failure: Failure): void {
    if (!this.#isRunning) return;
    // A bound that is no number, in plain JavaScript, leaves no row out: rows that failed must not pass for good ones.
    const { count } = this.rows;
    // biome-ignore lint/complexity/useMathMinMax: NaN is 0
    const first = from > 0 ? from : 0;
    // biome-ignore lint/complexity/useMathMinMax: NaN is the count
    const end = to < count ? to : count;
    this.#faults.add(first, end, asFailure(failure, this.#name));
  }

  /** The request is over: ends the component with that reason, unless it has ended. The host is told. */
  cancel(reason: ScopeEnd): void {
    if (!this.#isRunning) return;
    if (this.#isOut) this.#letGo(reason);
    this.#finish(
      reason === 'deadline'
        ? createFailure('deadline', 'the request ran out of time before the component ended', this.#name, GrpcCode.DEADLINE_EXCEEDED)
        : createFailure('cancelled', 'the request was cancelled before the component ended', this.#name, GrpcCode.CANCELLED),
    );
  }

  /** For a component that is not run: all its cells become `status`, so that readers and counts are honest. */
  skip(matrix: Matrix, slate: Slate | null, status: CellStatus = CellStatus.skipped): void {
    this.#matrix = this.binding.component.scope === 'slate' ? (slate?.matrix ?? null) : matrix;
    this.#markAll(status);
  }

  /** Lets go of the request. The block stays with its matrix. */
  end(): void {
    if (this.#isRunning)
      throw new ComponentError(
        'INFERFLOW_COMPONENTS_CONTRACT',
        `${this.#name}: a run is ended while its component is at work; cancel it first`,
      );
    this.#columns.unbind();
    this.#faults.clear();
    this.#failedCells.clear();
    this.calls.clear();
    this.#host = null;
    this.#request = null;
    this.#scope = null;
    this.#matrix = null;
    this.#block = null;
    this.slate = null;
    this.rows = emptyRows;
  }

  #openBlock(rowCount: number, options: BlockOptions | undefined, ownShape?: BlockShape): Block {
    const { shape: declared, blockIndex, pool } = this.binding.write;
    if (declared === null) return this.#over();
    const shape = ownShape ?? declared;
    if (shape.slots.length !== declared.slots.length) {
      throw new ComponentError(
        'INFERFLOW_COMPONENTS_CONTRACT',
        `${this.#name}: createBlock was given a shape of other columns than it declared`,
      );
    }
    // A block object is used again once its matrix gave it back; logging may hold on to it longer than the request.
    let block = this.#spare;
    if (block === null || block.isOpen) {
      block = new Block();
      this.#spare = block;
    }
    block.open(pool, shape, rowCount, options);
    this.#block = block;
    (this.#matrix as Matrix).setBlock(blockIndex, block);
    this.#columns.bindWrites(block);
    return block;
  }

  /** Has what the component started, calls above all, end without a word. */
  #letGo(reason: ScopeEnd): void {
    const { component } = this.binding;
    if (!component.letsGo) return;
    this.#isOut = true;
    try {
      component.cancelled(this, reason);
      this.#isOut = false;
    } catch {
      // It may still hold the run: left busy, so that nobody uses it again.
    }
  }

  /** Its code may write until the promise settles, whatever it said before. */
  #await(result: PromiseLike<unknown>): void {
    this.#hasPromise = true;
    result.then(
      () => {
        this.#hasPromise = false;
        this.#finish(null);
      },
      (error: unknown) => {
        this.#hasPromise = false;
        this.#finish(this.#thrown(error));
      },
    );
  }

  #endFromOutside(failure: Failure | null): void {
    this.#isOut = false;
    if (this.#isRunning) this.#finish(failure);
    else this.binding.lateEnds++;
  }

  #finish(failure: Failure | null): void {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    const host = this.#host;
    this.#host = null;
    try {
      this.#settleCells(failure);
    } catch (error) {
      host?.componentBroke(error);
      return;
    }
    host?.componentEnded(this.index, failure);
  }

  /** Nobody ever sees an unwritten cell: what a component left open is `failed`. */
  #settleCells(failure: Failure | null): void {
    const block = this.#block;
    if (block === null) {
      if (failure !== null) this.#markAll(CellStatus.failed);
      return;
    }
    if ((block.counts[CellStatus.unwritten] as number) > 0) this.#failUnwritten(block, failure);
    if (failure === null && (block.counts[CellStatus.failed] as number) > 0) this.#failedCells.tell(block, this.rows, this.#faults);
  }

  #failUnwritten(block: Block, failure: Failure | null): void {
    const notWritten = failure === null ? createFailure('not-written', 'the component ended without writing a value', this.#name) : null;
    const slotCount = block.shape.slots.length;
    const rowsAreTargets = this.binding.component.scope === 'target' && this.binding.component.rows === 'rows' && this.rows.rows === null;
    for (let row = 0; row < block.rowCount; row++) {
      let isOpen = false;
      for (let slot = 0; slot < slotCount; slot++) {
        if (block.status(row, slot) !== CellStatus.unwritten) continue;
        block.markCell(row, slot, CellStatus.failed);
        isOpen = true;
      }
      if (isOpen && notWritten !== null && rowsAreTargets) this.#faults.add(row, row + 1, notWritten);
    }
    if (notWritten !== null && !rowsAreTargets) this.#faults.add(0, this.rows.count, notWritten);
  }

  #markAll(status: CellStatus): void {
    if (this.#matrix === null || this.binding.write.shape === null) return;
    const block = this.#openBlock(this.#matrix.rowCount, noHeap);
    block.markRows(0, block.rowCount, status);
  }

  #thrown(error: unknown): Failure {
    const text = error instanceof Error ? error.message : 'a value that is no error';
    return createFailure('exception', `component "${this.#name}" threw: ${text}`, this.#name, GrpcCode.INTERNAL, error);
  }

  get #name(): string {
    return this.binding.componentName;
  }

  #over(): never {
    throw new ComponentError('INFERFLOW_COMPONENTS_RUN_ENDED', `${this.#name}: the run is used after it ended`);
  }
}

/** A plugin written in plain JavaScript may return anything; only a promise means that it is not done yet. */
function isThenable(result: unknown): result is PromiseLike<unknown> {
  return typeof result === 'object' && result !== null && 'then' in result && typeof result.then === 'function';
}

const noHeap: BlockOptions = Object.freeze({ heapBytes: 0 });
