import { readEnd, readLength, readTag, skipField } from '../wire/read.js';
import { UNSURE, type WasmWalk } from './feature-answer-wasm.js';
import { collectKeys } from './late-keys.js';
import { WalkKind, type WalkSpec } from './walk-spec.js';

/*
 * retrieve.Result on the wire. A field is its tag (field × 8 + wire type, here in hex), for wire type 2 a length, and its bytes;
 * «…» may repeat.
 *
 *   0a entity_label | «12 key schema» | «1a feature schema» | «22 row»
 *   └── the head: equal for equal queries, so it is compared as a whole ──┘
 *
 *   feature schema   0a group label | «12 feature: 0a label | 10 column_idx»
 *   row              «0a key part» | «12 bytes of the feature whose column_idx is 0, 1, …»; no bytes = the store has no value
 *
 * A row of three FP32 features, and where the walk puts it (see walk-spec.ts for what it knows beforehand):
 *
 *   22 1c | 0a 08 'i' 't' 'e' 'm' '-' '0' '0' '7' | 12 04 w w w w | 12 04 x x x x | 12 04 y y y y
 *           └ scratch.keys[2 × row]: start, and end ┘     a key behind something else: see late-keys.ts
 *   scratch.rows    row × stride + offsets[slot] ...  bytes of a fixed slot; start and length in the message of a variable one
 *   scratch.status  row × slotCount + slot .........  present, missing, failed
 */

const ROW_TAG = 0x22;
const KEY_TAG = 0x0a;
const COLUMN_TAG = 0x12;

/** A scratch that is kept is no larger. */
const mostKeptBytes = 8 << 20;
const firstOddCells = 256;

/**
 * What a walk leaves behind: decoded rows and a status per cell. Shared by all walks of a process, so it is good until the next one.
 * In a row, a variable cell holds start and length (u32) of its bytes in the message; a cell without a value is zeros.
 */
export class WalkScratch {
  rows = new Uint8Array(0);
  words = new Int32Array(0);
  view = new DataView(new ArrayBuffer(0));
  /** Row-major, one byte per cell. */
  status = new Uint8Array(0);
  /** Per row: start and end of its key parts, as in the query: in the message, or in `lateKeys` where there are some. */
  keys = new Int32Array(0);
  /** Keys of all rows, if one has a key part behind something else; null = they stand in the message. */
  lateKeys: Uint8Array | null = null;
  /** A row has a key part behind something else. */
  hasLateKeys = false;
  /** Cells of fixed slots with another width, which are marked failed: row, slot, start, length in the message. */
  oddCells = new Int32Array(firstOddCells);
  oddCount = 0;
  /** Cells that are not present, over all rows. 0 = nobody needs to look at `status`. */
  withoutValue = 0;
  /** A head field stood behind a row: the schema must be read from the whole message. */
  hasLateHead = false;
  /** The last walk was the one in WebAssembly, whose memory this is. After another one it may still be that; to let go of it costs nothing. */
  isBorrowed = false;
  /** Walks first where it can; null = everything is walked here. */
  readonly wasm: WasmWalk | null;

  constructor(wasm: WasmWalk | null = null) {
    this.wasm = wasm;
  }

  /** More than 8 MiB: to be given up with {@link WalkScratch.trim} once what is in it was read. */
  get isLarge(): boolean {
    if (this.isBorrowed) return false;
    const { rows, status, keys, lateKeys, oddCells } = this;
    return rows.length + status.length + keys.byteLength + oddCells.byteLength + (lateKeys?.length ?? 0) > mostKeptBytes;
  }

  /** Lets go of memory that only an unusually large answer needed. */
  trim(): void {
    if (!this.isLarge) return;
    this.#putRows(new ArrayBuffer(0));
    this.status = new Uint8Array(0);
    this.keys = new Int32Array(0);
    this.lateKeys = null;
    this.oddCells = new Int32Array(firstOddCells);
    this.oddCount = 0;
  }

  /** Room for so many rows. What a walk in WebAssembly left here is empty once its memory has grown. */
  reserve(rowCount: number, spec: WalkSpec): void {
    if (this.oddCells.length === 0) this.oddCells = new Int32Array(firstOddCells);
    const rowBytes = (rowCount * spec.stride + 7) & ~7;
    if (this.rows.length < rowBytes) this.#putRows(new ArrayBuffer(grown(rowBytes)));
    const cells = rowCount * spec.slotCount;
    if (this.status.length < cells) this.status = new Uint8Array(grown(cells));
    if (this.keys.length < rowCount * 2) this.keys = new Int32Array(grown(rowCount * 2));
  }

  #putRows(buffer: ArrayBuffer): void {
    this.rows = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.view = new DataView(buffer);
  }

  /** Notes a cell whose width is not the slot's. */
  addOdd(row: number, slot: number, start: number, length: number): void {
    const at = this.oddCount * 4;
    if (this.oddCells.length < at + 4) {
      const next = new Int32Array(this.oddCells.length * 2);
      next.set(this.oddCells);
      this.oddCells = next;
    }
    this.oddCells[at] = row;
    this.oddCells[at + 1] = slot;
    this.oddCells[at + 2] = start;
    this.oddCells[at + 3] = length;
    this.oddCount++;
  }
}

function grown(needed: number): number {
  return Math.max(1024, 2 ** Math.ceil(Math.log2(needed)));
}

/** There are more rows than `rowLimit`. */
export const TOO_MANY_ROWS = -2;

/**
 * Decodes the rows of a `retrieve.Result` from `start` (see `findFeatureRows`) into scratch memory. Returns their number, −1 if
 * the message is malformed, {@link TOO_MANY_ROWS} if there are more than `rowLimit`.
 */
export function walkFeatureRows(
  message: Uint8Array,
  start: number,
  end: number,
  spec: WalkSpec,
  rowLimit: number,
  scratch: WalkScratch,
): number {
  scratch.hasLateKeys = false;
  scratch.lateKeys = null;
  const quick = scratch.wasm === null ? UNSURE : scratch.wasm.walk(message, start, end, spec, rowLimit, scratch);
  scratch.isBorrowed = quick !== UNSURE;
  return quick === UNSURE ? walkEveryRow(message, start, end, spec, rowLimit, scratch) : quick;
}

function walkEveryRow(message: Uint8Array, start: number, end: number, spec: WalkSpec, rowLimit: number, scratch: WalkScratch): number {
  scratch.reserve(rowLimit, spec);
  scratch.status.fill(spec.statuses.present, 0, rowLimit * spec.slotCount);
  scratch.oddCount = 0;
  scratch.withoutValue = 0;
  scratch.hasLateHead = false;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  let rows = 0;
  let at = start;
  while (at < end) {
    let body: number;
    let rowEnd: number;
    if (message[at] === ROW_TAG && at + 1 < end && (message[at + 1] as number) < 0x80) {
      body = at + 2;
      rowEnd = body + (message[at + 1] as number);
      if (rowEnd > end) return -1;
    } else {
      const tag = readTag(message, at, end);
      if (tag < 0) return -1;
      if (tag !== ROW_TAG) {
        if (tag < ROW_TAG) scratch.hasLateHead = true;
        at = skipField(message, readEnd, end, tag % 8, Math.floor(tag / 8));
        if (at < 0) return -1;
        continue;
      }
      const length = readLength(message, readEnd, end);
      if (length < 0) return -1;
      body = readEnd;
      rowEnd = body + length;
    }
    if (rows === rowLimit) return TOO_MANY_ROWS;
    if (!walkRow(message, view, body, rowEnd, spec, rows, scratch)) return -1;
    rows++;
    at = rowEnd;
  }
  if (scratch.hasLateKeys) scratch.lateKeys = collectKeys(message, start, end, scratch.keys);
  return rows;
}

function walkRow(
  message: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  spec: WalkSpec,
  row: number,
  scratch: WalkScratch,
): boolean {
  let at = start;
  while (at < end && message[at] === KEY_TAG) {
    const length = readLength(message, at + 1, end);
    if (length < 0) return false;
    // Keys are compared as bytes: one whose length is spelt with more of them than it takes has to be spelt anew.
    if (readEnd > at + 2 && message[readEnd - 1] === 0) scratch.hasLateKeys = true;
    at = readEnd + length;
  }
  scratch.keys[row * 2] = start;
  scratch.keys[row * 2 + 1] = at;
  if (end - at === spec.exactBytes && walkExact(message, view, at, spec, row, scratch)) {
    markAbsent(spec, row, scratch);
    return true;
  }
  return walkColumns(message, view, at, end, spec, row, scratch);
}

/** A row of exactly the expected length: one compare per cell and no check against the end. False when a column is not as expected. */
function walkExact(message: Uint8Array, view: DataView, start: number, spec: WalkSpec, row: number, scratch: WalkScratch): boolean {
  const { columnCount, widths, offsets, stride } = spec;
  let at = start;
  if (spec.isAllWords) {
    const words = scratch.words;
    const base = (row * stride) >> 2;
    for (let column = 0; column < columnCount; column++, at += 6) {
      if (message[at] !== COLUMN_TAG || message[at + 1] !== 4) return false;
      words[base + ((offsets[column] as number) >> 2)] = view.getInt32(at + 2, true);
    }
    return true;
  }
  const rows = scratch.rows;
  const base = row * stride;
  for (let column = 0; column < columnCount; column++) {
    const width = widths[column] as number;
    if (message[at] !== COLUMN_TAG || message[at + 1] !== width) return false;
    copyCell(message, view, at + 2, width, rows, scratch.view, base + (offsets[column] as number));
    at += 2 + width;
  }
  return true;
}

function walkColumns(
  message: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  spec: WalkSpec,
  row: number,
  scratch: WalkScratch,
): boolean {
  let column = 0;
  let at = start;
  while (at < end) {
    if (message[at] !== COLUMN_TAG) {
      const tag = readTag(message, at, end);
      if (tag < 0) return false;
      if (tag === KEY_TAG) scratch.hasLateKeys = true;
      if (tag !== COLUMN_TAG) {
        at = skipField(message, readEnd, end, tag % 8, Math.floor(tag / 8));
        if (at < 0) return false;
        continue;
      }
      at = readEnd;
    } else at++;
    let length: number;
    if (at < end && (message[at] as number) < 0x80) {
      length = message[at] as number;
      at++;
      if (at + length > end) return false;
    } else {
      length = readLength(message, at, end);
      if (length < 0) return false;
      at = readEnd;
    }
    if (column < spec.columnCount) putCell(message, view, at, length, spec, column, row, scratch);
    column++;
    at += length;
  }
  for (; column < spec.columnCount; column++) {
    if (spec.kinds[column] !== WalkKind.ignored) markWithout(spec, column, row, spec.statuses.failed, scratch);
  }
  markAbsent(spec, row, scratch);
  return true;
}

function putCell(
  message: Uint8Array,
  view: DataView,
  at: number,
  length: number,
  spec: WalkSpec,
  column: number,
  row: number,
  scratch: WalkScratch,
): void {
  const kind = spec.kinds[column];
  if (kind === WalkKind.ignored) return;
  if (length === 0) {
    markWithout(spec, column, row, spec.statuses.missing, scratch);
    return;
  }
  const target = row * spec.stride + (spec.offsets[column] as number);
  if (kind === WalkKind.variable) {
    scratch.view.setUint32(target, at, true);
    scratch.view.setUint32(target + 4, length, true);
  } else if (length === spec.widths[column]) {
    copyCell(message, view, at, length, scratch.rows, scratch.view, target);
  } else {
    markWithout(spec, column, row, spec.statuses.failed, scratch);
    scratch.addOdd(row, spec.slots[column] as number, at, length);
    return;
  }
  // A slot may be asked for twice: an earlier column may have marked it.
  scratch.status[row * spec.slotCount + (spec.slots[column] as number)] = spec.statuses.present;
}

function markWithout(spec: WalkSpec, column: number, row: number, status: number, scratch: WalkScratch): void {
  scratch.status[row * spec.slotCount + (spec.slots[column] as number)] = status;
  scratch.withoutValue++;
  const at = row * spec.stride + (spec.offsets[column] as number);
  scratch.rows.fill(0, at, at + (spec.widths[column] as number));
}

function markAbsent(spec: WalkSpec, row: number, scratch: WalkScratch): void {
  const { absentSlots, absentCells } = spec;
  scratch.withoutValue += absentSlots.length;
  for (let index = 0; index < absentSlots.length; index++) {
    scratch.status[row * spec.slotCount + (absentSlots[index] as number)] = spec.statuses.failed;
    const at = row * spec.stride + (absentCells[index * 2] as number);
    scratch.rows.fill(0, at, at + (absentCells[index * 2 + 1] as number));
  }
}

/** Short cells word by word: a call to `set` costs more than it saves below about 64 bytes. */
function copyCell(
  source: Uint8Array,
  sourceView: DataView,
  from: number,
  length: number,
  target: Uint8Array,
  targetView: DataView,
  at: number,
): void {
  if (length > 64) {
    target.set(source.subarray(from, from + length), at);
    return;
  }
  const words = length & ~3;
  let index = 0;
  for (; index < words; index += 4) targetView.setInt32(at + index, sourceView.getInt32(from + index, true), true);
  for (; index < length; index++) target[at + index] = source[from + index] as number;
}
