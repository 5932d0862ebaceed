const brand = Symbol.for('inferflow.numerix.error');

/** Stable codes of this package; match on these, never on texts. */
export type NumerixErrorCode =
  | 'INFERFLOW_NUMERIX_EXPRESSION_INVALID'
  | 'INFERFLOW_NUMERIX_INFIX_INVALID'
  | 'INFERFLOW_NUMERIX_EXPRESSIONS_INVALID'
  | 'INFERFLOW_NUMERIX_ARITHMETIC'
  | 'INFERFLOW_NUMERIX_COLUMNS_MISMATCH';

/** Everything this package throws. */
export class NumerixError extends Error {
  override readonly name = 'NumerixError';
  /** Stable code. */
  readonly code: NumerixErrorCode;
  /** All problems of an expression, empty for other errors. */
  readonly problems: readonly ExpressionProblem[];

  constructor(code: NumerixErrorCode, message: string, problems: readonly ExpressionProblem[] = []) {
    super(message);
    this.code = code;
    this.problems = problems;
  }

  get [brand](): true {
    return true;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}

/** What can be wrong with an expression. */
export const ExpressionProblemCode = {
  /** No token at all. */
  empty: 'empty',
  /** A token is neither operator, function, literal nor column. */
  unknownToken: 'unknown-token',
  /** An operator finds too few operands before it. */
  missingOperand: 'missing-operand',
  /** More than one value is left at the end. */
  leftOver: 'left-over',
  /** A number is written in digits this language cannot read. */
  unreadableNumber: 'unreadable-number',
  /** A column is named twice in the list of columns. */
  duplicateColumn: 'duplicate-column',
} as const;
export type ExpressionProblemCode = (typeof ExpressionProblemCode)[keyof typeof ExpressionProblemCode];

/** One problem of an expression, found without evaluating it. */
export interface ExpressionProblem {
  readonly code: ExpressionProblemCode;
  /** Position of the token, counted from 0; the number of tokens for problems seen only at the end. */
  readonly tokenIndex: number;
  /** The token, or '' for problems of the whole expression. */
  readonly token: string;
  /** What is wrong and what was expected. */
  readonly message: string;
  /** A name that exists and looks like the token. */
  readonly suggestion?: string;
}
