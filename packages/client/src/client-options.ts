import type { Transport } from '@connectrpc/connect';
import type { RequestValues } from './encode-feature.js';
import { ClientErrorCode, type Problem, problemsError } from './errors.js';
import { LONGEST_TIMER_MS } from './longest-timer.js';

/** Request metadata; several values of a name are sent as several. */
export type RequestHeaders = Readonly<Record<string, string | readonly string[]>>;

/** What `onCall` is told after each call, attempts included. */
export interface CallReport {
  /** `InferPointWise`, `InferPairWise`, `InferSlateWise` or `RetrieveModelScore`. */
  readonly method: string;
  readonly modelConfigId: string;
  readonly trackingId: string;
  /** From the call to its answer or error, in milliseconds, retries included. */
  readonly durationMs: number;
  /** gRPC status code, 0 for success. */
  readonly grpcCode: number;
  /** 1, or more when the call was tried again. */
  readonly attempts: number;
}

/** Settings of a client. */
export interface InferflowClientOptions {
  /** How calls travel: any Connect transport (gRPC, gRPC-Web, Connect, in memory). */
  readonly transport: Transport;
  /**
   * How the model reads target and context features. `text`: models in the
   * original's configuration dialect, and the original service. `typed`: models
   * whose configuration says `request_values: "typed"` or is in the documented
   * dialect. Pair and slate features are typed bytes either way.
   * @default 'text'
   */
  readonly requestValues?: RequestValues;
  /** Sent as `inferflow-caller-id`. @default '' (not sent) */
  readonly callerId?: string;
  /** Sent as `inferflow-auth-token`. @default '' (not sent) */
  readonly authToken?: string;
  /** Sent with every call, such as `user-id` or `parent_catalog_id`. @default {} */
  readonly headers?: RequestHeaders;
  /** Time for a call with all its attempts, in milliseconds. @default 200 */
  readonly timeoutMs?: number;
  /** How often a call that ends UNAVAILABLE is tried again, within its time. 0 is never. @default 1 */
  readonly retries?: number;
  /** Makes tracking ids for requests without one. @default random UUIDs */
  readonly createTrackingId?: () => string;
  /** Told about every call; for metrics and logs. What it throws is ignored. @default nothing */
  readonly onCall?: (report: CallReport) => void;
  /** Called once by `close()` when no call is in flight: release the transport here. @default nothing */
  readonly onClose?: () => void | Promise<void>;
}

/** Settings with every default filled in. */
export type ResolvedClientOptions = Readonly<Required<InferflowClientOptions>>;

/** Checks settings and fills in defaults. @throws ClientError naming every wrong option */
export function resolveClientOptions(options: InferflowClientOptions): ResolvedClientOptions {
  const problems: Problem[] = [];
  const wrong = (path: string, message: string) => problems.push({ path, message });
  const resolved: ResolvedClientOptions = {
    transport: options.transport,
    requestValues: options.requestValues ?? 'text',
    callerId: options.callerId ?? '',
    authToken: options.authToken ?? '',
    headers: { ...options.headers },
    timeoutMs: options.timeoutMs ?? 200,
    retries: options.retries ?? 1,
    createTrackingId: options.createTrackingId ?? randomId,
    onCall: options.onCall ?? (() => undefined),
    onClose: options.onClose ?? (() => undefined),
  };
  if (typeof resolved.transport?.unary !== 'function') {
    wrong('transport', 'expected a Connect transport, such as createGrpcWebTransport({ baseUrl }) makes');
  }
  if (resolved.requestValues !== 'text' && resolved.requestValues !== 'typed') {
    wrong('requestValues', "expected 'text' or 'typed'");
  }
  checkTimeout(resolved.timeoutMs, 'timeoutMs', problems);
  if (!Number.isInteger(resolved.retries) || resolved.retries < 0 || resolved.retries > 5) {
    wrong('retries', 'expected a whole number from 0 to 5');
  }
  checkHeaders(resolved.headers, 'headers', problems);
  for (const name of ['callerId', 'authToken'] as const) {
    if (!isHeaderValue(resolved[name])) {
      wrong(name, 'expected text that a header can hold');
    }
  }
  if (problems.length > 0) {
    throw problemsError(ClientErrorCode.optionsInvalid, 'invalid client options', problems);
  }
  return resolved;
}

/** A random UUID. Browsers keep `crypto.randomUUID` from pages that came over plain HTTP. */
function randomId(): string {
  if (typeof crypto.randomUUID === 'function') {
    return crypto.randomUUID();
  }
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Adds a problem unless `timeoutMs` is a positive number of milliseconds that a timer takes. */
export function checkTimeout(timeoutMs: number, path: string, problems: Problem[]): void {
  if (typeof timeoutMs !== 'number' || !(timeoutMs > 0)) {
    problems.push({ path, message: 'expected milliseconds, more than 0' });
  } else if (timeoutMs > LONGEST_TIMER_MS) {
    problems.push({ path, message: `expected at most ${LONGEST_TIMER_MS} milliseconds, got ${timeoutMs}` });
  }
}

/** Adds a problem for every header that HTTP cannot carry. */
export function checkHeaders(headers: RequestHeaders, path: string, problems: Problem[]): void {
  for (const [name, values] of Object.entries(headers)) {
    const list = typeof values === 'string' ? [values] : values;
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || !Array.isArray(list) || !list.every(isHeaderValue)) {
      problems.push({ path: `${path}[${JSON.stringify(name)}]`, message: 'not a header that HTTP can carry' });
    }
  }
}

function isHeaderValue(value: unknown): value is string {
  return typeof value === 'string' && /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
}
