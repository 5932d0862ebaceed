import { LoggingError } from '../errors.js';
import { hasContentSize, type Zstd } from '../zstd.js';

function broken(what: string): LoggingError {
  return new LoggingError('INFERFLOW_LOGGING_COMPRESSION_INVALID', `a zstd frame ${what}`);
}

/** Opens the first frame; what follows it is ignored. The frame must say how long its content is, which may be 64 MiB at most. */
export function openZstdFrame(zstd: Zstd, bytes: Uint8Array): Uint8Array {
  if (bytes.length < 6) throw broken('is cut');
  if (!hasContentSize(bytes)) throw broken('does not say how long its content is');
  const frame = bytes.subarray(0, frameEnd(bytes));
  try {
    return zstd.decompress(frame);
  } catch (error) {
    if (error instanceof LoggingError) throw error;
    throw new LoggingError('INFERFLOW_LOGGING_COMPRESSION_INVALID', 'a zstd frame is damaged', { cause: error });
  }
}

function frameEnd(bytes: Uint8Array): number {
  const descriptor = bytes[4] as number;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6] as number;
  let at = 5 + (isSingleSegment ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] as number) + sizeBytes;
  for (;;) {
    if (at + 3 > bytes.length) throw broken('is cut');
    const head = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
    // A run-length block holds one byte, whatever its size says.
    at += 3 + ((head >> 1) & 3 ? (((head >> 1) & 3) === 1 ? 1 : head >> 3) : head >> 3);
    if (at > bytes.length) throw broken('is cut');
    if ((head & 1) === 1) break;
  }
  return Math.min(at + ((descriptor & 4) !== 0 ? 4 : 0), bytes.length);
}
