import { type Block, CellStatus } from '@inferflow/matrix';
import type { WalkScratch } from '@inferflow/proto/hot';
import type { FeatureCache } from '../cache/feature-cache.js';
import type { FeatureLayout } from './feature-layout.js';

/*
 * A row in three places. A variable cell is start and length (u32 each) of its bytes; only what start counts from differs:
 *
 *   scratch                   row | status byte per slot             from the start of the message
 *   cached row  head | row | status byte per slot | heap             from where heap begins: bytes of the variable cells, in slot order
 *   block                     row | status byte per slot             from the start of block.heap
 *
 * Scratch and block keep their rows together and their statuses together; a cached row has its own in one piece. Its head is u32 form |
 * u32 without. The form tells where its cells stand: in blocks of another, they are placed one by one. `without` counts its cells without a
 * value: where it is 0 no status of a fixed cell is read. Numbers are little-endian.
 */

/** What placing a row found. */
export const RowResult = { complete: 0, hasFailedCells: 1 } as const;
/** One of {@link RowResult}. */
export type RowResult = (typeof RowResult)[keyof typeof RowResult];

/** What placing a cached row found: a vector that does not have the length of its cell; a form that is not known any more. */
export const CachedResult = { placed: 0, otherLength: 1, unknownForm: 2 } as const;
/** One of {@link CachedResult}. */
export type CachedResult = (typeof CachedResult)[keyof typeof CachedResult];

const headBytes = 8;

/** Copies decoded rows into as many block rows, one copy for all: only when all cells are there and none is variable. */
export function placeRun(block: Block, toRow: number, scratch: WalkScratch, fromRow: number, count: number): void {
  const { stride } = block.shape;
  copyRow(scratch.rows, fromRow * stride, block.memory.bytes, toRow * stride, count * stride);
  block.markRows(toRow, toRow + count, CellStatus.fresh);
}

/** Copies one decoded row into a block row. Variable cells are copied from the message into the block's heap. */
export function placeRow(
  block: Block,
  toRow: number,
  layout: FeatureLayout,
  scratch: WalkScratch,
  fromRow: number,
  message: Uint8Array,
): RowResult {
  const { stride, slots } = block.shape;
  const from = fromRow * stride;
  copyRow(scratch.rows, from, block.memory.bytes, toRow * stride, stride);
  block.markRows(toRow, toRow + 1, CellStatus.fresh);
  for (let index = 0; index < layout.variableSlots.length; index++) {
    const slot = layout.variableSlots[index] as number;
    if (scratch.status[fromRow * slots.length + slot] !== CellStatus.fresh) continue;
    const cell = from + (block.shape.offsets[slot] as number);
    const start = scratch.view.getUint32(cell, true);
    block.setBytes(toRow, slot, message, start, start + scratch.view.getUint32(cell + 4, true), CellStatus.fresh);
  }
  return scratch.withoutValue === 0 ? RowResult.complete : markExceptions(block, toRow, layout, scratch, fromRow);
}

function markExceptions(block: Block, toRow: number, layout: FeatureLayout, scratch: WalkScratch, fromRow: number): RowResult {
  const slotCount = block.shape.slots.length;
  let result: RowResult = RowResult.complete;
  for (let slot = 0; slot < slotCount; slot++) {
    const status = scratch.status[fromRow * slotCount + slot] as CellStatus;
    if (status === CellStatus.fresh) continue;
    block.markCell(toRow, slot, status);
    if (status === CellStatus.failed && slot !== layout.compositeSlot) result = RowResult.hasFailedCells;
  }
  return result;
}

/** Keeps a decoded row, unless a cell of it failed. */
export function cacheRow(
  cache: FeatureCache,
  layout: FeatureLayout,
  scratch: WalkScratch,
  fromRow: number,
  message: Uint8Array,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  hash: number,
): void {
  const { stride, slots, offsets } = layout.shape;
  const slotCount = slots.length;
  const row = fromRow * stride;
  const plane = fromRow * slotCount;
  let without = 0;
  for (let slot = 0; slot < slotCount; slot++) {
    const status = scratch.status[plane + slot];
    if (status === CellStatus.fresh) continue;
    if (status === CellStatus.failed && slot !== layout.compositeSlot) return;
    without++;
  }
  let heap = 0;
  for (const slot of layout.variableSlots) {
    if (scratch.status[plane + slot] === CellStatus.fresh) heap += scratch.view.getUint32(row + (offsets[slot] as number) + 4, true);
  }
  const rowAt = headBytes;
  const heapAt = rowAt + stride + slotCount;
  const { cached } = layout;
  if (cached === null || !cache.put(cached.source, hash, key, keyStart, keyEnd, heapAt + heap)) return;
  const target = cache.putBytes;
  const at = cache.putAt;
  putWord(target, at, cached.form.number);
  putWord(target, at + 4, without);
  copyRow(scratch.rows, row, target, at + rowAt, stride);
  copyRow(scratch.status, plane, target, at + rowAt + stride, slotCount);
  let used = 0;
  for (const slot of layout.variableSlots) {
    if (scratch.status[plane + slot] !== CellStatus.fresh) continue;
    const cell = row + (offsets[slot] as number);
    const start = scratch.view.getUint32(cell, true);
    const length = scratch.view.getUint32(cell + 4, true);
    copyRow(message, start, target, at + heapAt + used, length);
    putWord(target, at + rowAt + (offsets[slot] as number), used);
    used += length;
  }
}

/** Copies a cached row, which `source[at]` begins, into a block row. */
export function placeCached(
  block: Block,
  toRow: number,
  layout: FeatureLayout,
  source: Uint8Array,
  at: number,
  status: CellStatus,
): CachedResult {
  const number = getWord(source, at);
  if (number !== layout.cached?.form.number) return placeOtherForm(block, toRow, layout, source, at, status);
  const { stride, slots, offsets } = layout.shape;
  const without = getWord(source, at + 4);
  const rowAt = at + headBytes;
  const plane = rowAt + stride;
  const heapAt = plane + slots.length;
  copyRow(source, rowAt, block.memory.bytes, toRow * stride, stride);
  block.markRows(toRow, toRow + 1, status);
  for (const slot of layout.variableSlots) {
    if (source[plane + slot] !== CellStatus.fresh) continue;
    const cell = rowAt + (offsets[slot] as number);
    const start = heapAt + getWord(source, cell);
    block.setBytes(toRow, slot, source, start, start + getWord(source, cell + 4), status);
  }
  if (without === 0) return CachedResult.placed;
  for (let slot = 0; slot < slots.length; slot++) {
    const cell = source[plane + slot] as CellStatus;
    if (cell !== CellStatus.fresh) block.markCell(toRow, slot, cell);
  }
  return CachedResult.placed;
}

/** The same for a row that was cached in another form than the block's: cell by cell. */
function placeOtherForm(
  block: Block,
  toRow: number,
  layout: FeatureLayout,
  source: Uint8Array,
  at: number,
  status: CellStatus,
): CachedResult {
  const own = layout.cached;
  const form = own?.source.forms.get(getWord(source, at));
  if (own === null || form === undefined) return CachedResult.unknownForm;
  const rowAt = at + headBytes;
  const plane = rowAt + form.stride;
  const heapAt = plane + form.slotCount;
  block.markRows(toRow, toRow + 1, CellStatus.missing);
  for (let index = 0; index < form.cells.length; index += 3) {
    const slot = own.form.cells[index] as number;
    const cellStatus = source[plane + (form.cells[index] as number)] as CellStatus;
    const cell = rowAt + (form.cells[index + 1] as number);
    const width = form.cells[index + 2] as number;
    const start = width < 0 ? heapAt + getWord(source, cell) : cell;
    const end = start + (width < 0 ? getWord(source, cell + 4) : width);
    if (cellStatus !== CellStatus.fresh) block.markCell(toRow, slot, cellStatus);
    else if (!block.setBytes(toRow, slot, source, start, end, status)) return CachedResult.otherLength;
  }
  return CachedResult.placed;
}

function copyRow(source: Uint8Array, from: number, target: Uint8Array, at: number, length: number): void {
  if (length > 64) target.set(source.subarray(from, from + length), at);
  else for (let index = 0; index < length; index++) target[at + index] = source[from + index] as number;
}

function getWord(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)) >>> 0
  );
}

function putWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
