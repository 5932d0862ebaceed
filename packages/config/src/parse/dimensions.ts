import { joinPath } from '../json-path.js';
import type { ObjectReader } from './object-reader.js';

/** Reports dimensions that are not positive; one may be -1, which is worked out per call. */
export function checkDimensions(reader: ObjectReader, dims: readonly number[], path: string): void {
  const details = { found: JSON.stringify(dims), expected: 'positive numbers, at most one -1' };
  const message = `dimensions ${JSON.stringify(dims)} are not valid`;
  let open = 0;
  for (const [index, dim] of dims.entries()) {
    if (dim === -1) open++;
    if (dim > 0 || (dim === -1 && open === 1)) continue;
    reader.context.report('INFERFLOW_CONFIG_INVALID_VALUE', joinPath(path, index), message, details);
    return;
  }
}
