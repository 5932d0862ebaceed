/** The stable codes of every error this package throws. */
export type MatrixErrorCode =
  | 'INFERFLOW_MATRIX_UNKNOWN_COLUMN'
  | 'INFERFLOW_MATRIX_TYPE_MISMATCH'
  | 'INFERFLOW_MATRIX_LENGTH_MISMATCH'
  | 'INFERFLOW_MATRIX_OUT_OF_RANGE'
  | 'INFERFLOW_MATRIX_RELEASED'
  | 'INFERFLOW_MATRIX_HOST_BYTE_ORDER';

const brand = Symbol.for('inferflow.MatrixError');

/** A programmer's mistake in the use of blocks, columns or tensors. Data from outside never causes one: it ends as a cell status. Match on `code`. */
export class MatrixError extends Error {
  override readonly name = 'MatrixError';
  readonly code: MatrixErrorCode;
  /** The column the error is about, when there is one. */
  readonly columnName: string | undefined;

  constructor(code: MatrixErrorCode, message: string, columnName?: string) {
    super(message);
    this.code = code;
    this.columnName = columnName;
    Object.defineProperty(this, brand, { value: true });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}
