/** Everything that can go wrong, for programs: match on `code`, never on the message. */
export const ClientErrorCode = {
  /** The client's own settings; `problems` lists all of them. */
  optionsInvalid: 'INFERFLOW_CLIENT_OPTIONS_INVALID',
  /** The request, refused before it was sent; `problems` lists all of them. */
  requestInvalid: 'INFERFLOW_CLIENT_REQUEST_INVALID',
  /** The server refused or failed the call; see `grpcCode` and `violations`. */
  callFailed: 'INFERFLOW_CLIENT_CALL_FAILED',
  /** The call's time ran out. */
  deadlineExceeded: 'INFERFLOW_CLIENT_DEADLINE_EXCEEDED',
  /** The caller's signal aborted the call. */
  aborted: 'INFERFLOW_CLIENT_ABORTED',
  /** The answer cannot be read as what was asked for. */
  answerInvalid: 'INFERFLOW_CLIENT_ANSWER_INVALID',
  /** The client has been closed. */
  closed: 'INFERFLOW_CLIENT_CLOSED',
} as const;

/** A stable error code of this package. */
export type ClientErrorCode = (typeof ClientErrorCode)[keyof typeof ClientErrorCode];

/** One thing that is wrong with settings, a request or (as the server says) a call. */
export interface Problem {
  /** Where: an option's name, or a path such as `pairs[3].second`. */
  readonly path: string;
  /** What is wrong and what was expected. Never holds values of the request. */
  readonly message: string;
}

/** What a {@link ClientError} carries beside code and message. */
export interface ClientErrorDetails {
  readonly problems?: readonly Problem[];
  readonly grpcCode?: number | null;
  readonly reason?: string;
  readonly retryDelayMs?: number | null;
  readonly trackingId?: string;
  readonly cause?: unknown;
}

const brand: unique symbol = Symbol.for('@inferflow/client/ClientError') as never;

/** The only error that this package throws. */
export class ClientError extends Error {
  readonly code: ClientErrorCode;
  /** All problems that were found, not only the first. The server's field violations for a failed call. */
  readonly problems: readonly Problem[];
  /** gRPC status code of a failed call (3 is INVALID_ARGUMENT, 14 UNAVAILABLE); null where no call was made. */
  readonly grpcCode: number | null;
  /** The server's stable error code (`google.rpc.ErrorInfo`), or ''. */
  readonly reason: string;
  /** After how many milliseconds the server wants the next attempt; null if it does not say. */
  readonly retryDelayMs: number | null;
  /** The tracking id that the call carried, or ''. */
  readonly trackingId: string;

  constructor(code: ClientErrorCode, message: string, details: ClientErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ClientError';
    this.code = code;
    this.problems = details.problems ?? [];
    this.grpcCode = details.grpcCode ?? null;
    this.reason = details.reason ?? '';
    this.retryDelayMs = details.retryDelayMs ?? null;
    this.trackingId = details.trackingId ?? '';
    Object.defineProperty(this, brand, { value: true });
  }

  /** True for errors of any copy of this package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}

/** One error for all problems of a request or of settings. */
export function problemsError(code: ClientErrorCode, what: string, problems: readonly Problem[]): ClientError {
  const first = problems.slice(0, 3).map((problem) => `${problem.path}: ${problem.message}`);
  const more = problems.length > 3 ? [`and ${problems.length - 3} more`] : [];
  return new ClientError(code, `${what}: ${[...first, ...more].join('; ')}`, { problems });
}
