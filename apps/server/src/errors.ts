const brand = Symbol.for('inferflow.server.ServerStartError');

/** Why the server did not start. */
export type ServerStartErrorCode =
  | 'ENVIRONMENT_INVALID'
  | 'PLUGIN_REFUSED'
  | 'BACKEND_MISSING'
  | 'AUTH_FILE_INVALID'
  | 'LISTEN_FAILED'
  | 'CONFIG_UNAVAILABLE';

/** Thrown while starting; holds everything that is wrong, so that one start shows it all. Match on `code`. */
export class ServerStartError extends Error {
  override readonly name = 'ServerStartError';
  readonly code: `INFERFLOW_SERVER_${ServerStartErrorCode}`;
  readonly problems: readonly string[];
  readonly [brand] = true;

  constructor(code: ServerStartErrorCode, problems: readonly string[], options?: ErrorOptions) {
    super(
      problems.length === 1 ? problems[0] : `${problems.length} problems:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
      options,
    );
    this.code = `INFERFLOW_SERVER_${code}`;
    this.problems = problems;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}

/** What kept a server from starting, a sentence each: nothing that a stack would add to. `null` when it is a defect instead. */
export function startProblems(error: unknown): { readonly code: string; readonly problems: readonly string[] } | null {
  if (error instanceof ServerStartError) return error;
  // Errors of our libraries say what to do, too: a directory that is not there, a plugin that cannot be read.
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('INFERFLOW_'))) return null;
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return { code: error.code, problems: [`${error.message}${cause}`] };
}
