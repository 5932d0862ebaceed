import { MatrixError } from './errors.js';
import type { Matrix } from './matrix.js';

/** Groups of targets scored together. Slate s = `targets[offsets[s]] … targets[offsets[s + 1] − 1]`, rows of the target matrix. */
export interface Slate {
  /** One row per slate: slate features and slate scores. */
  readonly matrix: Matrix;
  /** Start of each slate in `targets`, and the end: slates + 1 entries. */
  readonly offsets: Int32Array;
  readonly targets: Int32Array;
}

/**
 * Builds a slate from the target indices of each slate.
 * @throws {MatrixError} INFERFLOW_MATRIX_OUT_OF_RANGE for an index that is no target row.
 */
export function createSlate(matrix: Matrix, targetIndices: readonly ArrayLike<number>[], targetCount: number): Slate {
  const offsets = new Int32Array(targetIndices.length + 1);
  let total = 0;
  targetIndices.forEach((indices, slate) => {
    total += indices.length;
    offsets[slate + 1] = total;
  });
  const targets = new Int32Array(total);
  let at = 0;
  for (const indices of targetIndices) {
    for (let position = 0; position < indices.length; position++) {
      const target = indices[position] as number;
      if (!Number.isInteger(target) || target < 0 || target >= targetCount) {
        throw new MatrixError('INFERFLOW_MATRIX_OUT_OF_RANGE', `a slate names target ${target}; there are ${targetCount} targets`);
      }
      targets[at++] = target;
    }
  }
  return { matrix, offsets, targets };
}
