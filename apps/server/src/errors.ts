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
