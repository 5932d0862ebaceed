import type { BlockShape } from './block-shape.js';
import { MatrixError } from './errors.js';

declare const columnRefBrand: unique symbol;

/** A column, resolved when a plan compiles: which block, which slot, and whether of the slate matrix. Comparable with `===`. */
export type ColumnRef = number & { readonly [columnRefBrand]: true };

/** No column. */
export const NONE = -1 as ColumnRef;

// bit 30: slate matrix · bits 16–29: block · bits 0–15: slot
const slateBit = 1 << 30;

/** The column of a block's slot in the target matrix. */
export function columnRef(block: number, slot: number): ColumnRef {
  return ((block << 16) | slot) as ColumnRef;
}

/** The same column, of the slate matrix: a slate component reads it through the slate of each row. */
export function slateRef(ref: ColumnRef): ColumnRef {
  return ref < 0 ? ref : ((ref | slateBit) as ColumnRef);
}

/** Whether the column belongs to the slate matrix. */
export function isSlateRef(ref: ColumnRef): boolean {
  return ref >= 0 && (ref & slateBit) !== 0;
}

/** Index of the column's block in its matrix; −1 for NONE. */
export function refBlock(ref: ColumnRef): number {
  return ref < 0 ? -1 : (ref & ~slateBit) >>> 16;
}

/** Index of the column's slot in its block; −1 for NONE. */
export function refSlot(ref: ColumnRef): number {
  return ref < 0 ? -1 : ref & 0xffff;
}

/** Where a name's value is looked for. `otherwise` is looked at only where `first` has no value (for text also: where it is empty). */
export interface Source {
  readonly first: ColumnRef;
  readonly otherwise: ColumnRef;
}

/** A source of one column, or of two. */
export function sourceOf(first: ColumnRef, otherwise: ColumnRef = NONE): Source {
  return { first, otherwise };
}

/** Names → columns of one matrix, for compile time. A block index without shape belongs to a writer without columns. */
export class Layout {
  /** The declared shape per block index. At run time a block may carry another shape with the same slots (vectors inline). */
  readonly shapes: readonly (BlockShape | null)[];
  readonly #byName = new Map<string, ColumnRef[]>();

  constructor(shapes: readonly (BlockShape | null)[]) {
    this.shapes = shapes;
    shapes.forEach((shape, block) => {
      shape?.slots.forEach((slot, index) => {
        const refs = this.#byName.get(slot.name);
        if (refs === undefined) this.#byName.set(slot.name, [columnRef(block, index)]);
        else refs.push(columnRef(block, index));
      });
    });
  }

  /** The column with this name: in the given block, else in the first block that has it; NONE when there is none. */
  ref(name: string, block?: number): ColumnRef {
    const refs = this.#byName.get(name);
    if (refs === undefined) return NONE;
    if (block === undefined) return refs[0] as ColumnRef;
    return refs.find((ref) => refBlock(ref) === block) ?? NONE;
  }

  /** All columns with this name, in block order. */
  refs(name: string): readonly ColumnRef[] {
    return this.#byName.get(name) ?? [];
  }

  /**
   * The column with this name.
   * @throws {MatrixError} INFERFLOW_MATRIX_UNKNOWN_COLUMN
   */
  require(name: string): ColumnRef {
    const ref = this.ref(name);
    if (ref === NONE) throw new MatrixError('INFERFLOW_MATRIX_UNKNOWN_COLUMN', `no block has a column "${name}"`, name);
    return ref;
  }

  /** All names, in block and slot order, each once. */
  names(): readonly string[] {
    return [...this.#byName.keys()];
  }
}
