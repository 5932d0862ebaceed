const brand = Symbol.for('inferflow.feature-store.error');

/** Stable codes of this package; match on these, never on texts. */
export type FeatureStoreErrorCode =
  | 'INFERFLOW_FEATURE_STORE_SCHEMA_INVALID'
  | 'INFERFLOW_FEATURE_STORE_SOURCE_UNREADABLE'
  | 'INFERFLOW_FEATURE_STORE_SOURCE_INVALID'
  | 'INFERFLOW_FEATURE_STORE_DEPENDENCY_MISSING';

/** One thing wrong with a schema or a source. */
export interface LoadProblem {
  /** The file, or '' for rows and schemas handed in as objects. */
  readonly file: string;
  /** Line of a text file, else the row counted from 1; 0 = the whole file. */
  readonly line: number;
  /** Column of the source, or path inside the schema; '' = the whole row. */
  readonly column: string;
  /** What was found and what was expected. */
  readonly message: string;
}

/** Everything this package throws while it loads. */
export class FeatureStoreError extends Error {
  override readonly name = 'FeatureStoreError';
  /** Stable code. */
  readonly code: FeatureStoreErrorCode;
  /** All problems that were found, in order of the files. */
  readonly problems: readonly LoadProblem[];

  constructor(
    code: FeatureStoreErrorCode,
    message: string,
    options: { readonly problems?: readonly LoadProblem[]; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.problems = options.problems ?? [];
  }

  get [brand](): true {
    return true;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}

const MAX_LISTED = 20;

/** An error whose text lists the problems, one a line. @internal */
export function problemsError(code: FeatureStoreErrorCode, title: string, problems: readonly LoadProblem[]): FeatureStoreError {
  const lines = problems.slice(0, MAX_LISTED).map((problem) => `  ${placeOf(problem)}${problem.message}`);
  if (problems.length > MAX_LISTED) lines.push(`  … and ${problems.length - MAX_LISTED} more`);
  return new FeatureStoreError(code, `${title}\n${lines.join('\n')}`, { problems });
}

function placeOf({ file, line, column }: LoadProblem): string {
  const parts = [file, line > 0 ? `line ${line}` : '', column === '' ? '' : `column ${column}`].filter((part) => part !== '');
  return parts.length === 0 ? '' : `${parts.join(', ')}: `;
}
