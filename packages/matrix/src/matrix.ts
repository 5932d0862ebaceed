import type { Block } from './block.js';
import { BoundColumnReader, type ColumnReader } from './column-reader.js';
import { MatrixError } from './errors.js';
import { type ColumnRef, type Layout, refBlock, type Source } from './layout.js';
import type { MemoryPool } from './memory-pool.js';
import { DerivedTextColumn, type TextColumn, type TextStyle } from './text-column.js';

/**
 * The shared table of one request: one block per writer. Made with one reference; the engine holds it, others `retain`, and the
 * last `release` gives all memory back. One thread of execution, many readers, each block one writer.
 */
export class Matrix {
  readonly layout: Layout;
  rowCount: number;
  /** By block index of the layout; null = its writer has not made it, its cells are `unwritten`. */
  readonly blocks: (Block | null)[];
  /** Called after the last release. */
  onReleased: ((matrix: Matrix) => void) | null = null;
  readonly #pool: MemoryPool;
  readonly #texts: DerivedTextColumn[] = [];
  #textCount = 0;
  #references = 1;

  constructor(layout: Layout, rowCount: number, pool: MemoryPool) {
    this.layout = layout;
    this.rowCount = rowCount;
    this.#pool = pool;
    this.blocks = new Array<Block | null>(layout.shapes.length).fill(null);
  }

  /** Starts another life of a released matrix with one reference, so that a pooled run makes no garbage. */
  reopen(rowCount: number): void {
    if (this.#references !== 0) throw new MatrixError('INFERFLOW_MATRIX_RELEASED', 'a matrix is opened again while it is in use');
    this.#references = 1;
    this.rowCount = rowCount;
  }

  /** The block that holds a column; null when it is not there. */
  blockOf(ref: ColumnRef): Block | null {
    return ref < 0 ? null : (this.blocks[refBlock(ref)] ?? null);
  }

  /**
   * The text of a column per matrix row: derived on first use, once per block row, kept until the matrix is released.
   * The columns it comes from must have been written.
   */
  text(source: Source, style: TextStyle): TextColumn {
    for (let index = 0; index < this.#textCount; index++) {
      const known = this.#texts[index] as DerivedTextColumn;
      if (known.matches(source, style)) return known;
    }
    let column = this.#texts[this.#textCount];
    if (column === undefined) {
      column = new DerivedTextColumn();
      this.#texts.push(column);
    }
    column.derive(this, source, style);
    // Not before: what could not be derived, for want of memory, is no text.
    this.#textCount++;
    return column;
  }

  /** A reader over the matrix rows of a column. For cold code and plugins; hot code keeps a `BoundColumnReader` and binds it. */
  reader(source: Source): ColumnReader {
    return new BoundColumnReader().bind(this, source, null);
  }

  /** Puts a block at its index; the matrix releases it, unless it is shared. */
  setBlock(index: number, block: Block): void {
    this.blocks[index] = block;
  }

  retain(): void {
    if (this.#references === 0) throw new MatrixError('INFERFLOW_MATRIX_RELEASED', 'a released matrix is retained');
    this.#references++;
  }

  release(): void {
    if (this.#references === 0) throw new MatrixError('INFERFLOW_MATRIX_RELEASED', 'a matrix is released more often than retained');
    this.#references--;
    if (this.#references > 0) return;
    for (let index = 0; index < this.#textCount; index++) this.#texts[index]?.clear();
    this.#textCount = 0;
    for (let index = 0; index < this.blocks.length; index++) {
      const block = this.blocks[index];
      if (block !== null && block !== undefined && !block.isShared && block.isOpen) block.release(this.#pool);
      this.blocks[index] = null;
    }
    this.onReleased?.(this);
  }

  /** For a request that is over while somebody may still write: the blocks are left to the garbage collector, and nothing is ever reused. */
  abandon(): void {
    for (const block of this.blocks) if (block !== null && !block.isShared && block.isOpen) block.abandon();
  }

  /** References held; 0 = released. */
  get references(): number {
    return this.#references;
  }
}
