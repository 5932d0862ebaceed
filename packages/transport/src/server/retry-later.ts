import { SharedStatus } from '../grpc-status.js';

const retryInfoUrl = 'type.googleapis.com/google.rpc.RetryInfo';

/**
 * A refusal that tells when to come again, as a trailer and as `google.rpc.RetryInfo`. `ms` below 1 000. Keep it: it
 * is made to be sent again.
 */
export function retryLater(code: number, message: string, ms: number): SharedStatus {
  // RetryInfo { retry_delay = 1: Duration { nanos = 2 } }
  const retryInfo = field(1, Buffer.concat([Buffer.from([2 << 3]), varint(ms * 1_000_000)]));
  const details = Buffer.concat([
    Buffer.from([1 << 3, code]),
    field(2, Buffer.from(message)),
    field(3, Buffer.concat([field(1, Buffer.from(retryInfoUrl)), field(2, retryInfo)])),
  ]);
  return new SharedStatus({ code, message, details, retryAfterMs: ms });
}

function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
