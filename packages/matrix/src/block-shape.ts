import { type DataType, dataTypeInfo } from './data-type.js';
import { MatrixError } from './errors.js';

/** One slot as its writer declares it. */
export interface SlotSpec {
  readonly name: string;
  readonly type: DataType;
  /** Bytes of every cell; absent = variable (text, raw bytes, vectors of unknown length, request values). */
  readonly width?: number;
}

/** One slot of a shape. */
export interface Slot {
  readonly name: string;
  readonly type: DataType;
  /** The cell holds start and length (u32 each) of bytes in the block's heap. */
  readonly isVariable: boolean;
}

/** Where the cells of a block lie. Frozen and interned: equal shapes are one object, so `===` compares layouts. */
export interface BlockShape {
  readonly id: number;
  /** Hash of names, types and widths in order; equal in every process, so it may be part of a cache key. */
  readonly contentHash: string;
  readonly slots: readonly Slot[];
  /** Bytes from the start of a row, per slot. */
  readonly offsets: Uint32Array;
  /** Bytes of the cell within the row, per slot; 8 for a variable one. */
  readonly widths: Uint32Array;
  /** How many slots are variable. */
  readonly variableSlots: number;
  /** Bytes of a row. */
  readonly stride: number;
  /** Offsets, widths and stride all divide by 4. */
  readonly isWordAligned: boolean;
}

const interned = new Map<string, WeakRef<BlockShape>>();
const forget = new FinalizationRegistry<string>((key) => {
  if (interned.get(key)?.deref() === undefined) interned.delete(key);
});
let nextId = 1;

/**
 * The shape of a block: slots packed in the given order. The same slots give the same object for as long as anyone holds it.
 * @throws {MatrixError} INFERFLOW_MATRIX_LENGTH_MISMATCH for a width that does not fit its type.
 */
export function createBlockShape(slots: readonly SlotSpec[]): BlockShape {
  const key = slots.map((slot) => `${slot.name.length}:${slot.name},${slot.type},${slot.width ?? 'v'};`).join('');
  const known = interned.get(key)?.deref();
  if (known !== undefined) return known;
  const shape = buildShape(slots, key);
  interned.set(key, new WeakRef(shape));
  forget.register(shape, key);
  return shape;
}

/**
 * The same slots in the same order, of which variable vectors stand in the row itself where `widthOf` says how many bytes all their
 * cells have; 0 leaves a slot as it is. A block can turn back from it, see `Block.reshape`.
 * @throws {MatrixError} INFERFLOW_MATRIX_LENGTH_MISMATCH for a width that does not fit the vector's type.
 */
export function inlineVectors(shape: BlockShape, widthOf: (slot: number) => number): BlockShape {
  return createBlockShape(
    shape.slots.map(({ name, type, isVariable }, slot) => {
      const width = isVariable ? (dataTypeInfo(type).isVector ? widthOf(slot) : 0) : (shape.widths[slot] as number);
      return isVariable && width === 0 ? { name, type } : { name, type, width };
    }),
  );
}

function buildShape(slots: readonly SlotSpec[], key: string): BlockShape {
  if (slots.length > 0xffff) throw new MatrixError('INFERFLOW_MATRIX_OUT_OF_RANGE', `a block has at most 65535 slots, not ${slots.length}`);
  const offsets = new Uint32Array(slots.length);
  const widths = new Uint32Array(slots.length);
  let stride = 0;
  let isWordAligned = true;
  slots.forEach((slot, index) => {
    checkWidth(slot);
    const width = slot.width ?? 8;
    offsets[index] = stride;
    widths[index] = width;
    stride += width;
    if (width % 4 !== 0) isWordAligned = false;
  });
  return Object.freeze({
    id: nextId++,
    contentHash: hashText(key),
    slots: Object.freeze(slots.map((slot) => Object.freeze({ name: slot.name, type: slot.type, isVariable: slot.width === undefined }))),
    offsets,
    widths,
    variableSlots: slots.filter((slot) => slot.width === undefined).length,
    // A row of nothing still has a place, so that rows can be told apart by position.
    stride: stride === 0 ? 4 : stride,
    isWordAligned,
  });
}

function checkWidth(slot: SlotSpec): void {
  if (slot.width === undefined) return;
  const info = dataTypeInfo(slot.type);
  const fits =
    Number.isInteger(slot.width) &&
    slot.width >= 0 &&
    (info.elementBytes === 0 || (info.isVector ? slot.width % info.elementBytes === 0 : slot.width === info.elementBytes));
  if (fits) return;
  const expected = info.isVector ? `a multiple of ${info.elementBytes}` : `${info.elementBytes}`;
  throw new MatrixError(
    'INFERFLOW_MATRIX_LENGTH_MISMATCH',
    `column "${slot.name}" is ${info.name}: its width must be ${expected} bytes, not ${slot.width}`,
    slot.name,
  );
}

/** 128 bits of four independently seeded FNV-style lanes with a final mix; no key or secret depends on it. */
function hashText(text: string): string {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  let c = 0x85ebca6b;
  let d = 0xc2b2ae35;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x5bd1e995) + a;
    c = Math.imul(c ^ code, 0x27d4eb2f) ^ (b >>> 13);
    d = Math.imul(d ^ code, 0x165667b1) + c;
  }
  return [a, b, c, d].map((lane) => mix(lane).toString(16).padStart(8, '0')).join('');
}

function mix(lane: number): number {
  let value = lane ^ (lane >>> 16);
  value = Math.imul(value, 0x85ebca6b);
  value ^= value >>> 13;
  value = Math.imul(value, 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
