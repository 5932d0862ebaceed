/** How a call ends on the server. */
export interface GrpcStatus {
  /** The gRPC status code; 0 only together with an answer. */
  readonly code: number;
  /** For the caller; sent percent-encoded. */
  readonly message: string;
  /** Bytes of a `google.rpc.Status`, sent as `grpc-status-details-bin`. */
  readonly details?: Uint8Array;
  /** When the same call may succeed, in ms; sent as `grpc-retry-pushback-ms`, which gRPC clients with a retry policy obey. */
  readonly retryAfterMs?: number;
}

// Blanks at either end are encoded too: HTTP/2 peers that check header values drop a field that begins or ends with one.
const plain = /^(?:[\x21-\x24\x26-\x7e](?:[\x20-\x24\x26-\x7e]*[\x21-\x24\x26-\x7e])?)?$/;
const longestMessage = 4096;
const longestEncoded = 3 * longestMessage;
/** On end, because a character has several. */
const escapes = /(?:%[0-9a-f]{2})+/gi;

/**
 * Text to a `grpc-message` value: UTF-8, everything but printable ASCII (and `%`, and blanks at either end) percent-encoded, cut at 4096
 * characters.
 */
export function encodeGrpcMessage(message: string): string {
  const cut = message.length > longestMessage ? message.slice(0, longestMessage) : message;
  if (plain.test(cut)) return cut;
  const bytes = Buffer.from(cut, 'utf8');
  let encoded = '';
  bytes.forEach((byte, index) => {
    const isPlain = byte > 0x20 ? byte <= 0x7e && byte !== 0x25 : byte === 0x20 && index > 0 && index < bytes.length - 1;
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`;
  });
  return encoded;
}

/**
 * A `grpc-message` value to text, cut at 12288 characters. Never throws: an escape that is none is kept as it came, bytes that are no UTF-8
 * become U+FFFD.
 */
export function decodeGrpcMessage(value: string | undefined): string {
  if (value === undefined || value === '') return '';
  const cut = value.length > longestEncoded ? value.slice(0, longestEncoded).replace(/%[0-9a-f]?$/i, '') : value;
  return cut.replace(escapes, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString());
}

/** A `grpc-status` value to a code; −1 when it is absent, no number, or zero other than as `0`; 2 (UNKNOWN) when it is outside gRPC's table. */
export function parseGrpcStatus(value: unknown): number {
  if (value === '0') return 0;
  if (typeof value !== 'string' || !/^\d{1,9}$/.test(value)) return -1;
  const code = Number(value);
  if (code === 0) return -1;
  return code <= 16 ? code : 2;
}

/**
 * A status that is sent many times over, as to callers of an overloaded server: what goes onto the wire is made once. The fields are those
 * of {@link GrpcStatus}.
 */
export class SharedStatus implements GrpcStatus {
  readonly code: number;
  readonly message: string;
  readonly details?: Uint8Array;
  readonly retryAfterMs?: number;
  /** What {@link statusTrailers} returns. */
  readonly trailers: Readonly<Record<string, string>>;
  /** Anything else that a sender has made of it, by a name of the sender's. */
  readonly made: Map<string, unknown> = new Map();

  constructor(status: GrpcStatus) {
    this.code = status.code;
    this.message = status.message;
    if (status.details !== undefined) this.details = status.details;
    if (status.retryAfterMs !== undefined) this.retryAfterMs = status.retryAfterMs;
    this.trailers = Object.freeze(statusTrailers(status));
  }
}

/** The trailers of a status. */
export function statusTrailers(status: GrpcStatus): Readonly<Record<string, string>> {
  if (status instanceof SharedStatus) return status.trailers;
  const trailers: Record<string, string> = { 'grpc-status': String(status.code) };
  if (status.message !== '') trailers['grpc-message'] = encodeGrpcMessage(status.message);
  const details = status.details;
  if (details !== undefined && details.length > 0)
    trailers['grpc-status-details-bin'] = Buffer.from(details.buffer, details.byteOffset, details.byteLength).toString('base64');
  if (status.retryAfterMs !== undefined) trailers['grpc-retry-pushback-ms'] = String(Math.ceil(status.retryAfterMs));
  return trailers;
}
