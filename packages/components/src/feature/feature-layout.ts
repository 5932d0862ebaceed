import type { FeatureComponentConfig } from '@inferflow/config';
import { type BlockShape, CellStatus, convertBytes, type DataType, dataTypeInfo, inlineVectors } from '@inferflow/matrix';
import {
  compileWalk,
  countFeatureRows,
  findFeatureRows,
  readFeatureSchema,
  TOO_MANY_ROWS,
  type WalkScratch,
  type WalkSpec,
  walkFeatureRows,
} from '@inferflow/proto/hot';
import type { CacheSource } from '../cache/cache-sources.js';
import type { RowForm } from '../cache/row-forms.js';
import { type AskedFeature, columnsOfAnswer } from './answer-columns.js';

const statuses = { present: CellStatus.fresh, missing: CellStatus.missing, failed: CellStatus.failed } as const;

// An answer may hold rows that nobody asked for, but not without end: a row can be two bytes.
const maxRowFactor = 4;
const minRowLimit = 1024;

// Most bytes of a row for vectors; others stay in the heap: rows without a value take as much memory as those with one.
// `inferflow explain-plan` tells users this number (explain-plan-command.ts of the CLI).
const maxInlineBytes = 1 << 14;

/**
 * How the answers of one component are read into blocks of one shape: the walk for the answer's head that was seen last, conversions of
 * defaults that come in the group's width.
 *
 * A configuration says that a feature is a vector, not how long it is. So the layout that the plan knows, the general one, has vectors in
 * the heap of the block; once an answer showed their lengths, another has them in the row, where a model's input is copied from at once.
 */
export class FeatureLayout {
  readonly shape: BlockShape;
  /** The layout that this one was learned from, with vectors of any length; null = it is the general one. */
  readonly general: FeatureLayout | null;
  /** Slots of the component's features that are variable. */
  readonly variableSlots: readonly number[];
  /** Slot of the composite key's text; −1 without. */
  readonly compositeSlot: number;
  /** Where its rows are cached, and in which form it does it; null = nowhere. */
  readonly cached: { readonly source: CacheSource; readonly form: RowForm } | null;
  readonly #asked: readonly AskedFeature[];
  /** Column of the component → slot. */
  readonly slotOf: Int32Array;
  /** Some features are vectors whose length is not known. */
  readonly hasVectors: boolean;
  /** Per slot: the type that a store answers a default in when it could not quantise it, and its width; 0 = none. */
  readonly #defaultTypes: (DataType | undefined)[] = [];
  readonly #defaultWidths: Int32Array;
  #head: Uint8Array = new Uint8Array(0);
  #spec: WalkSpec | null = null;

  constructor(
    shape: BlockShape,
    slotOf: Int32Array,
    config: FeatureComponentConfig,
    asked: readonly AskedFeature[],
    source: CacheSource | null,
    general: FeatureLayout | null = null,
  ) {
    this.shape = shape;
    this.general = general;
    this.#asked = asked;
    this.slotOf = slotOf;
    this.compositeSlot = config.compositeId ? (slotOf[config.columns.length] as number) : -1;
    this.variableSlots = shape.slots.flatMap((slot, index) => (slot.isVariable && index !== this.compositeSlot ? [index] : []));
    const cells = cellsOf(shape, slotOf, config.columns.length);
    this.cached = source === null ? null : { source, form: source.forms.of(shape.stride, shape.slots.length, cells) };
    this.hasVectors = this.variableSlots.some(
      (slot) => dataTypeInfo((shape.slots[slot] as BlockShape['slots'][number]).type).elementBytes > 0,
    );
    this.#defaultWidths = new Int32Array(shape.slots.length);
    config.columns.forEach((column, index) => {
      if (column.dataType === column.groupDataType) return;
      const slot = slotOf[index] as number;
      this.#defaultTypes[slot] = column.groupDataType;
      this.#defaultWidths[slot] = dataTypeInfo(column.groupDataType).isVector ? 0 : dataTypeInfo(column.groupDataType).elementBytes;
    });
  }

  /** Reads an answer to `askedRows` keys into scratch memory; returns the rows, −1 if the answer is malformed. */
  read(message: Uint8Array, askedRows: number, scratch: WalkScratch): number {
    const end = message.length;
    const rowsAt = findFeatureRows(message, 0, end);
    if (rowsAt < 0) return -1;
    let spec = this.#knownSpec(message, rowsAt) ?? this.#learn(message, rowsAt, rowsAt);
    if (spec === null) return -1;
    let rows = this.#walk(message, rowsAt, spec, askedRows, scratch);
    if (rows >= 0 && scratch.hasLateHead) {
      spec = this.#learn(message, end, rowsAt);
      if (spec === null) return -1;
      rows = this.#walk(message, rowsAt, spec, askedRows, scratch);
      // Not what the next answer's head is compared with.
      this.#spec = null;
    }
    if (rows > 0 && scratch.oddCount > 0) this.#convertDefaults(message, scratch, spec);
    return rows;
  }

  /** The answer that was read last has a vector of another length than this layout learned: only the general one holds it. */
  hasOtherLength(scratch: WalkScratch): boolean {
    if (this.general === null) return false;
    for (let index = 0; index < scratch.oddCount; index++) {
      const slot = scratch.oddCells[index * 4 + 1] as number;
      if (this.general.shape.slots[slot]?.isVariable === true) return true;
    }
    return false;
  }

  /**
   * The shape with those vectors in the row of which all cells of the answer that was read last are equally long, and at least every
   * second row has one; the general shape itself where there are none.
   */
  learnShape(scratch: WalkScratch, rows: number): BlockShape {
    let room = maxInlineBytes;
    return inlineVectors(this.shape, (slot) => {
      const length = this.#lengthOf(slot, scratch, rows);
      if (length > room) return 0;
      room -= length;
      return length;
    });
  }

  /** The shape with those vectors in the row that were when another plan cached rows; the general shape itself where there are none. */
  shapeInCache(): BlockShape {
    const cells = this.cached?.source.forms.learned?.cells;
    if (cells === undefined) return this.shape;
    return inlineVectors(this.shape, (slot) => Math.max(0, cells[this.slotOf.indexOf(slot) * 3 + 2] as number));
  }

  #lengthOf(slot: number, scratch: WalkScratch, rows: number): number {
    const { elementBytes } = dataTypeInfo((this.shape.slots[slot] as BlockShape['slots'][number]).type);
    const { stride, slots } = this.shape;
    let length = 0;
    let present = 0;
    for (let row = 0; row < rows; row++) {
      if (scratch.status[row * slots.length + slot] !== CellStatus.fresh) continue;
      const here = scratch.view.getUint32(row * stride + (this.shape.offsets[slot] as number) + 4, true);
      if (present++ > 0 && here !== length) return 0;
      length = here;
    }
    const fits = elementBytes > 0 && length % elementBytes === 0;
    return fits && present * 2 >= rows ? length : 0;
  }

  #walk(message: Uint8Array, rowsAt: number, spec: WalkSpec, askedRows: number, scratch: WalkScratch): number {
    const rows = walkFeatureRows(message, rowsAt, message.length, spec, askedRows, scratch);
    if (rows !== TOO_MANY_ROWS) return rows;
    // Memory for as many as there may be would be far more than they take: there is one too many, as a rule.
    const held = countFeatureRows(message, rowsAt, message.length);
    if (held < 0 || held > Math.max(minRowLimit, askedRows * maxRowFactor)) return -1;
    return walkFeatureRows(message, rowsAt, message.length, spec, held, scratch);
  }

  #knownSpec(message: Uint8Array, headEnd: number): WalkSpec | null {
    const head = this.#head;
    if (this.#spec === null || head.length !== headEnd) return null;
    for (let index = 0; index < headEnd; index++) if (head[index] !== message[index]) return null;
    return this.#spec;
  }

  #learn(message: Uint8Array, schemaEnd: number, headEnd: number): WalkSpec | null {
    const answered = readFeatureSchema(message, 0, schemaEnd);
    if (answered === null) return null;
    const { shape } = this;
    this.#spec = compileWalk(
      { offsets: shape.offsets, widths: shape.widths, stride: shape.stride, isVariable: shape.slots.map((slot) => slot.isVariable) },
      columnsOfAnswer(this.#asked, answered, this.slotOf),
      statuses,
    );
    this.#head = message.slice(0, headEnd);
    return this.#spec;
  }

  /** A store cannot quantise the default of a key it does not know: it comes in the group's width and is converted here. */
  #convertDefaults(message: Uint8Array, scratch: WalkScratch, spec: WalkSpec): void {
    for (let index = 0; index < scratch.oddCount; index++) {
      const at = index * 4;
      const row = scratch.oddCells[at] as number;
      const slot = scratch.oddCells[at + 1] as number;
      const start = scratch.oddCells[at + 2] as number;
      const length = scratch.oddCells[at + 3] as number;
      const type = this.#defaultTypes[slot];
      const declared = this.shape.slots[slot]?.type;
      if (type === undefined || declared === undefined || length !== this.#defaultWidths[slot]) continue;
      const converted = convertBytes(type, declared, message.subarray(start, start + length), false);
      if (converted === null || converted.length !== this.shape.widths[slot]) continue;
      scratch.rows.set(converted, row * spec.stride + (this.shape.offsets[slot] as number));
      scratch.status[row * spec.slotCount + slot] = CellStatus.fresh;
      scratch.withoutValue--;
    }
  }
}

/** As a row form has them. */
function cellsOf(shape: BlockShape, slotOf: Int32Array, columns: number): Int32Array {
  const cells = new Int32Array(columns * 3);
  for (let column = 0; column < columns; column++) {
    const slot = slotOf[column] as number;
    cells[column * 3] = slot;
    cells[column * 3 + 1] = shape.offsets[slot] as number;
    cells[column * 3 + 2] = shape.slots[slot]?.isVariable === true ? -1 : (shape.widths[slot] as number);
  }
  return cells;
}
