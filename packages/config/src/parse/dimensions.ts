import type { ObjectReader } from './object-reader.js';

/** Reports dimensions that are not positive; one may be -1, which is worked out per call. */
export function checkDimensions(reader: ObjectReader, dims: readonly number[], path: string): void {
  const isValid = dims.every((dim) => dim > 0 || dim === -1) && dims.filter((dim) => dim === -1).length <= 1;
  if (isValid) return;
  const details = { found: JSON.stringify(dims), expected: 'positive numbers, at most one -1' };
  reader.context.report('INFERFLOW_CONFIG_INVALID_VALUE', path, `dimensions ${JSON.stringify(dims)} are not valid`, details);
}
