import { type Block, DataType, dataTypeInfo, decodeValue } from '@inferflow/matrix';

const scratch = new DataView(new ArrayBuffer(8));

/** A cell as a number: the first element of a vector, NaN when it is none. */
export function firstNumber(type: DataType, bytes: Uint8Array): number {
  if (type === DataType.FP32 && bytes.length === 4) {
    for (let index = 0; index < 4; index++) scratch.setUint8(index, bytes[index] as number);
    return scratch.getFloat32(0, true);
  }
  const [first] = numbersOf(type, bytes);
  return first ?? Number.NaN;
}

/** The largest difference of two cells, element by element; vectors of unlike lengths differ without bound. */
export function cellDelta(leftType: DataType, left: Uint8Array, rightType: DataType, right: Uint8Array): number {
  if (!dataTypeInfo(leftType).isVector && !dataTypeInfo(rightType).isVector)
    return difference(firstNumber(leftType, left), firstNumber(rightType, right));
  const [before, now] = [numbersOf(leftType, left), numbersOf(rightType, right)];
  if (before.length !== now.length) return Number.POSITIVE_INFINITY;
  return before.reduce((largest, value, index) => Math.max(largest, difference(value, now[index] as number)), 0);
}

/** Bytes of a block's cell; valid while the block is. */
export function cellBytes(block: Block, row: number, slot: number): Uint8Array {
  const start = block.cellStart(row, slot);
  return block.cellSource(slot).subarray(start, start + block.cellLength(row, slot));
}

function difference(left: number, right: number): number {
  if (left === right || (Number.isNaN(left) && Number.isNaN(right))) return 0;
  const delta = Math.abs(left - right);
  return Number.isNaN(delta) ? Number.POSITIVE_INFINITY : delta;
}

function numbersOf(type: DataType, bytes: Uint8Array): readonly number[] {
  if (bytes.length === 0) return [];
  const value = decodeValue(type, bytes);
  const values: readonly unknown[] = Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as ArrayLike<unknown>) : [value];
  return values.map((each) => (typeof each === 'string' && each.trim() === '' ? Number.NaN : Number(each)));
}
