/*
 * What a walk over an answered row knows beforehand, for three columns of which the second was not asked for: what to expect, and where it goes.
 *
 *   answered row    12 04 w w w w | 12 03 'r' 'e' 'd' | 12 09 «text»            exactBytes = −1, as two lengths are not known
 *   kinds           fixed         | ignored           | variable
 *   decoded row     offsets[0]: w w w w | offsets[2]: start in the message, length (u32 each)
 *   table.columns   0x0412, 1, offset, 4, slot | 0x10000, 0, 0, 0, −1 | 0x10000, 2, offset, 8, slot     tag and length in one compare, or none
 */

/** Where the cells of one answered column go. */
export interface WalkColumn {
  /** Slot in the row layout; −1 = nobody asked for this column. */
  readonly slot: number;
}

/** The row layout that cells are put into: one entry per slot. */
export interface WalkLayout {
  readonly offsets: Uint32Array;
  /** Bytes of the cell within the row; 8 for a variable one. */
  readonly widths: Uint32Array;
  readonly isVariable: readonly boolean[];
  readonly stride: number;
}

/** Status bytes that the walk marks cells with. */
export interface WalkStatuses {
  /** The cell has its bytes. */
  readonly present: number;
  /** The column came with zero bytes. */
  readonly missing: number;
  /** The column did not come, or its bytes do not fit. */
  readonly failed: number;
}

/** Kinds of columns. */
export const WalkKind = { ignored: 0, fixed: 1, variable: 2 } as const;

/** A compiled walk: what to do with column 0, 1, 2, … of every row. Flat arrays only. */
export interface WalkSpec {
  readonly columnCount: number;
  readonly slotCount: number;
  readonly stride: number;
  readonly kinds: Uint8Array;
  readonly slots: Int32Array;
  readonly offsets: Int32Array;
  readonly widths: Int32Array;
  /** Slots that no column fills: failed in every row. */
  readonly absentSlots: Int32Array;
  /** Offset and width of these slots, two entries each. */
  readonly absentCells: Int32Array;
  /** Bytes of the columns of a row in which every fixed column is there with its width; −1 if rows have no such length. */
  readonly exactBytes: number;
  /** Every column is four bytes and goes to a word boundary. */
  readonly isAllWords: boolean;
  readonly statuses: WalkStatuses;
  /** The same as entries of words for the walk in WebAssembly; null where it does not do: two columns for one slot. */
  readonly table: WalkTable | null;
}

/** A compiled walk as `walk.wat` reads it. */
export interface WalkTable {
  /** Per column: tag and length as one number (0x10000 = no one compare will do), kind, offset, width, slot. */
  readonly columns: Int32Array;
  /** Per slot that no column fills: slot, offset, width. */
  readonly absent: Int32Array;
}

/** Compiles the walk for answers whose column i is `columns[i]`. */
export function compileWalk(layout: WalkLayout, columns: readonly WalkColumn[], statuses: WalkStatuses): WalkSpec {
  const count = columns.length;
  const kinds = new Uint8Array(count);
  const slots = new Int32Array(count).fill(-1);
  const offsets = new Int32Array(count);
  const widths = new Int32Array(count);
  const isFilled = new Uint8Array(layout.offsets.length);
  let exactBytes = 0;
  let isAllWords = count > 0 && layout.stride % 4 === 0;
  columns.forEach((column, index) => {
    const { slot } = column;
    if (slot < 0) {
      exactBytes = -1;
      return;
    }
    isFilled[slot] = 1;
    const isVariable = layout.isVariable[slot] === true;
    kinds[index] = isVariable ? WalkKind.variable : WalkKind.fixed;
    slots[index] = slot;
    offsets[index] = layout.offsets[slot] as number;
    const width = layout.widths[slot] as number;
    widths[index] = width;
    // Lengths of one byte only: nearly all numbers, and one compare per cell.
    if (isVariable || width >= 0x80) exactBytes = -1;
    else if (exactBytes >= 0) exactBytes += 2 + width;
    if (isVariable || width !== 4 || (offsets[index] as number) % 4 !== 0) isAllWords = false;
  });
  const absent: number[] = [];
  for (let slot = 0; slot < isFilled.length; slot++) if (isFilled[slot] === 0) absent.push(slot);
  const absentSlots = Int32Array.from(absent);
  const absentCells = Int32Array.from(absent.flatMap((slot) => [layout.offsets[slot] as number, layout.widths[slot] as number]));
  return Object.freeze({
    columnCount: count,
    slotCount: layout.offsets.length,
    stride: layout.stride,
    kinds,
    slots,
    offsets,
    widths,
    absentSlots,
    absentCells,
    exactBytes: count === 0 ? -1 : exactBytes,
    isAllWords,
    statuses: Object.freeze({ ...statuses }),
    table: tableOf(kinds, slots, offsets, widths, absentSlots, absentCells),
  });
}

const NO_COMPARE = 0x10000;

function tableOf(
  kinds: Uint8Array,
  slots: Int32Array,
  offsets: Int32Array,
  widths: Int32Array,
  absentSlots: Int32Array,
  absentCells: Int32Array,
): WalkTable | null {
  const asked = slots.filter((slot) => slot >= 0);
  if (new Set(asked).size < asked.length) return null;
  const table = new Int32Array(kinds.length * 5);
  kinds.forEach((kind, index) => {
    const width = widths[index] as number;
    const compare = kind === WalkKind.fixed && width > 0 && width < 0x80 ? 0x12 | (width << 8) : NO_COMPARE;
    table.set([compare, kind, offsets[index] as number, width, slots[index] as number], index * 5);
  });
  const absent = Int32Array.from(
    Array.from(absentSlots).flatMap((slot, index) => [slot, absentCells[index * 2] as number, absentCells[index * 2 + 1] as number]),
  );
  return Object.freeze({ columns: table, absent });
}
