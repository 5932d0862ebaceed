import { Block, Matrix, type RowSet, rowsOfSlates, type Slate } from '@inferflow/matrix';
import type { BoundPlan } from '../compile/bind-plan.js';
import { SlateBlock, TargetBlock } from '../compile/model-plan.js';
import type { KeptMessage } from '../request/kept-message.js';

class Rows implements RowSet {
  count = 0;
  readonly rows = null;
  readonly slateOf = null;
}

/**
 * The matrices of one run and the blocks that the request itself fills. The objects are used again by the next request, unless logging
 * still holds them: then that one gets new ones.
 */
export class RunBlocks {
  matrix: Matrix;
  slate: Slate | null = null;
  rows = new Block();
  broadcast: Block | null = null;
  slateRows: Block | null = null;
  readonly targetSet: RowSet;
  slateSet: RowSet;
  readonly #bound: BoundPlan;
  readonly #targets = new Rows();
  #slateMatrix: Matrix | null = null;

  constructor(bound: BoundPlan) {
    this.#bound = bound;
    this.targetSet = this.#targets;
    this.slateSet = this.#targets;
    this.matrix = new Matrix(bound.resolver.targetLayout, 0, bound.pool);
    this.matrix.release();
  }

  /**
   * Makes the blocks of a request. Ids and values point into the message, whose memory belongs to the target matrix from here on: whoever
   * holds a slate matrix holds that, too, and gives it back last.
   */
  open(message: KeptMessage, rowCount: number, slateCount: number): void {
    const { resolver, pool, rowsShape, broadcastShape, plan } = this.#bound;
    if (this.matrix.references > 0) {
      this.matrix = new Matrix(resolver.targetLayout, rowCount, pool);
      this.rows = new Block();
      this.broadcast = null;
    } else this.matrix.reopen(rowCount);
    this.#targets.count = rowCount;
    const rowsHeap = { externalHeap: message.bytes, heapMemory: message.memory };
    this.matrix.setBlock(TargetBlock.rows, this.rows.open(pool, rowsShape, rowCount, rowsHeap));
    message.handOver();
    if (broadcastShape !== null) {
      this.broadcast ??= new Block();
      this.matrix.setBlock(TargetBlock.broadcast, this.broadcast.open(pool, broadcastShape, 1));
    }
    if (plan.constants.block !== null) this.matrix.setBlock(TargetBlock.constants, plan.constants.block);
    if (resolver.slateLayout !== null) this.#openSlates(message.bytes, slateCount);
  }

  #openSlates(message: Uint8Array, slateCount: number): void {
    const { resolver, pool, slatesShape } = this.#bound;
    if (resolver.slateLayout === null) return;
    if (this.#slateMatrix === null || this.#slateMatrix.references > 0) {
      this.#slateMatrix = new Matrix(resolver.slateLayout, slateCount, pool);
      this.slateRows = null;
    } else this.#slateMatrix.reopen(slateCount);
    if (slatesShape === null) return;
    this.slateRows ??= new Block();
    this.#slateMatrix.setBlock(SlateBlock.rows, this.slateRows.open(pool, slatesShape, slateCount, { externalHeap: message }));
  }

  /** Says which targets the slates are made of. */
  setSlates(offsets: Int32Array, targets: Int32Array): void {
    const matrix = this.#slateMatrix;
    if (matrix === null) return;
    this.slate = { matrix, offsets, targets };
    this.slateSet = rowsOfSlates(this.slate);
  }

  /** Somebody may still write: the memory is never reused, and not counted as in use any more. */
  abandon(): void {
    this.matrix.abandon();
    if (this.#slateMatrix !== null && this.#slateMatrix.references > 0) this.#slateMatrix.abandon();
  }

  /** Gives back this run's references. */
  close(): void {
    if (this.#slateMatrix !== null && this.#slateMatrix.references > 0) this.#slateMatrix.release();
    this.matrix.release();
    this.slate = null;
    this.slateSet = this.#targets;
  }
}
