import { TransportError } from './errors.js';
import { grpcType } from './is-grpc-content-type.js';

/** The constant part of a call: made once per method and peer, shared by all its calls. */
export interface CallHead {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** The complete header block except `grpc-timeout` and, over TLS, the scheme. Frozen. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What a {@link CallHead} is made of. */
export interface CallHeadOptions {
  /** `/package.Service/Method`. */
  path: string;
  /** The `:authority` the peer sees, `host` or `host:port`. */
  authority: string;
  /** Further headers, names in lower case; a repeated name is joined with a comma, as gRPC reads it. Values of `-bin` names are base64. */
  metadata?: readonly (readonly [string, string])[];
  /** Tells the peer that it may compress its answers. They are accepted either way. @default false */
  acceptGzip?: boolean;
}

const namePattern = /^[0-9a-z_.-]+$/;
const valuePattern = /^[\x20-\x7e]*$/;
const reserved = new Set([
  'te',
  'content-type',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'proxy-connection',
  'host',
  'content-length',
]);

/** Makes the frozen header block of a method. Throws `INFERFLOW_TRANSPORT_METADATA_INVALID`, which names the header and never its value. */
export function createCallHead(options: CallHeadOptions): CallHead {
  const { path, authority } = options;
  if (!/^\/[^/\s]+\/[^/\s]+$/.test(path))
    throw new TransportError('INFERFLOW_TRANSPORT_METADATA_INVALID', `call path "${path}" is not of the form /package.Service/Method`);
  if (typeof authority !== 'string' || authority === '' || !valuePattern.test(authority))
    throw new TransportError('INFERFLOW_TRANSPORT_METADATA_INVALID', `authority of ${path} must be host or host:port`);
  const headers: Record<string, string> = {
    ':method': 'POST',
    ':path': path,
    ':scheme': 'http',
    ':authority': authority,
    te: 'trailers',
    'content-type': grpcType,
  };
  if (options.acceptGzip === true) headers['grpc-accept-encoding'] = 'gzip';
  for (const [name, value] of options.metadata ?? []) {
    const problem = metadataProblem(name, value, ` of ${path}`);
    if (problem !== null) throw new TransportError('INFERFLOW_TRANSPORT_METADATA_INVALID', problem);
    // Blanks at the ends are no part of a value, and peers drop fields that have them.
    const trimmed = value.trim();
    const known = headers[name];
    headers[name] = known === undefined ? trimmed : `${known},${trimmed}`;
  }
  return Object.freeze({ path, headers: Object.freeze(headers) });
}

/** With the `grpc-timeout` of any call, and one byte for `https`. */
const varyingBytes = 'grpc-timeout'.length + '99999999m'.length + 32 + 1;

/** What a head takes of a peer's SETTINGS_MAX_HEADER_LIST_SIZE: names, values and 32 bytes a field, whatever the call's deadline. */
export function headListBytes(head: CallHead): number {
  return Object.entries(head.headers).reduce((sum, [name, value]) => sum + name.length + value.length + 32, varyingBytes);
}

/** Why a header cannot be sent, without its value; `null` when it can. `of` follows its name. */
export function metadataProblem(name: string, value: string, of = ''): string | null {
  if (!namePattern.test(name) || reserved.has(name) || name.startsWith('grpc-'))
    return `metadata name "${name}"${of} cannot be sent: names are lower-case letters, digits, "-", "_" and ".", and not reserved by HTTP/2 or gRPC`;
  return valuePattern.test(value)
    ? null
    : `value of metadata "${name}"${of} is not printable ASCII; use a name that ends in -bin, with base64`;
}

/** Milliseconds to a `grpc-timeout` value, rounded down so the peer never waits longer than the caller. At least 1 µs. */
export function formatGrpcTimeout(remainingMs: number): string {
  if (remainingMs >= 1e8) return `${Math.min(Math.floor(remainingMs / 1000), 99_999_999)}S`;
  if (remainingMs >= 10) return `${Math.floor(remainingMs)}m`;
  return `${remainingMs > 1e-3 ? Math.floor(remainingMs * 1000) : 1}u`;
}

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** A `grpc-timeout` value to milliseconds: `Infinity` when there is none, `NaN` when it is malformed. */
export function parseGrpcTimeout(value: string | undefined): number {
  if (value === undefined) return Number.POSITIVE_INFINITY;
  const length = value.length;
  if (length < 2 || length > 9) return Number.NaN;
  let amount = 0;
  for (let i = 0; i < length - 1; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    amount = amount * 10 + digit;
  }
  return amount * (unitMs[value[length - 1]!] ?? Number.NaN);
}
