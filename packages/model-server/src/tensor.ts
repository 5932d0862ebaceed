import { v2ElementBytes } from '@inferflow/matrix';

/** A tensor as it goes over the wire of the V2 inference protocol. */
export interface Tensor {
  readonly name: string;
  /** V2 name: `FP32`, `INT64`, `BOOL`, `BYTES`, … */
  readonly datatype: string;
  /** All dimensions, rows first. */
  readonly shape: readonly number[];
  /** Elements row by row, little-endian; of `BYTES`, each behind its length as u32. Owned by who made the tensor, not changed by who reads it. */
  readonly data: Uint8Array;
}

/** What a model says about one of its inputs or outputs. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: string;
  /** −1 = any size. */
  readonly shape: readonly number[];
  /** Name of each dimension of any size, '' where it has none: equal names must have equal sizes within a call. */
  readonly dimensionNames: readonly string[];
}

/** Largest number of elements of a tensor that is accepted. */
const MAX_ELEMENTS = 2 ** 31 - 1;

/** Product of the dimensions; −1 when one is negative or the product is beyond `MAX_ELEMENTS`. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) return -1;
    count *= size;
    if (count > MAX_ELEMENTS) return -1;
  }
  return count;
}

/** Bytes of one element: 0 for `BYTES`, −1 for a datatype the protocol does not have. */
export function elementBytes(datatype: string): number {
  return v2ElementBytes(datatype);
}

/** Number of texts in `BYTES` data; −1 when lengths and data do not fit. */
export function countTexts(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let at = 0;
  let count = 0;
  while (at < data.length) {
    if (at + 4 > data.length) return -1;
    at += 4 + view.getUint32(at, true);
    if (at > data.length) return -1;
    count++;
  }
  return count;
}

/** A shape as texts show it. */
export function shapeText(shape: readonly number[]): string {
  return `[${shape.join(',')}]`;
}
