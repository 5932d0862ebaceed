import { createRequire } from 'node:module';
import zlib from 'node:zlib';
import { LoggingError, missingLibrary } from './errors.js';

/** One-shot zstd. Frames carry their content size, as readers of the log require. */
export interface Zstd {
  compress(bytes: Uint8Array): Uint8Array;
  /**
   * Reads one frame of at most 64 MiB content, or `mostBytes`; a frame that says it has more is not opened. Throws for anything else.
   */
  decompress(bytes: Uint8Array, mostBytes?: number): Uint8Array;
}

/** Most bytes that compressed content may have: a frame of twenty bytes may say any number of them. @internal */
export const mostContentBytes = 64 << 20;

interface NodeZstd {
  readonly zstdCompressSync?: (bytes: Uint8Array, options?: object) => Buffer;
}

let loaded: Promise<Zstd> | null = null;

/**
 * zstd of Node where it has one, else of `@bokuweb/zstd-wasm`.
 * @throws LoggingError INFERFLOW_LOGGING_DEPENDENCY_MISSING
 */
export function loadZstd(): Promise<Zstd> {
  loaded ??= load().catch((error: unknown) => {
    loaded = null;
    throw error;
  });
  return loaded;
}

async function load(): Promise<Zstd> {
  const native = (zlib as NodeZstd).zstdCompressSync;
  let wasm: {
    init(): Promise<void>;
    compress(bytes: Uint8Array, level?: number): Uint8Array;
    /** `defaultHeapSize`: room for the content of a frame that does not say how much it is. */
    decompress(bytes: Uint8Array, options: { readonly defaultHeapSize: number }): Uint8Array;
  };
  try {
    // The package's ES module entry is for bundlers.
    wasm = createRequire(import.meta.url)('@bokuweb/zstd-wasm');
    await wasm.init();
  } catch (error) {
    throw missingLibrary('@bokuweb/zstd-wasm', 'zstd compression', error);
  }
  return {
    compress: (bytes) => {
      const frame = native === undefined ? null : native(bytes, { pledgedSrcSize: bytes.length });
      return frame !== null && hasContentSize(frame) ? frame : wasm.compress(bytes, 3);
    },
    decompress: (bytes, mostBytes = mostContentBytes) => {
      if (!isZstd(bytes)) throw new LoggingError('INFERFLOW_LOGGING_COMPRESSION_INVALID', 'not a zstd frame');
      const size = contentSize(bytes);
      if (size !== null && size > mostBytes)
        throw new LoggingError(
          'INFERFLOW_LOGGING_COMPRESSION_INVALID',
          `a zstd frame says that its content has ${size} bytes; at most ${mostBytes} are read`,
        );
      return wasm.decompress(bytes, { defaultHeapSize: mostBytes });
    },
  };
}

/** Whether a zstd frame says how long its content is. */
export function hasContentSize(frame: Uint8Array): boolean {
  const descriptor = frame[4] ?? 0;
  return descriptor >>> 6 !== 0 || (descriptor & 0x20) !== 0;
}

/** How long the content of a zstd frame is, as the frame says; null where it does not. */
function contentSize(frame: Uint8Array): number | null {
  const descriptor = frame[4] ?? 0;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const at = 5 + (isSingleSegment ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] as number);
  const length = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6] as number;
  if (length === 0) return null;
  let size = length === 2 ? 256 : 0;
  for (let byte = 0; byte < length; byte++) size += (frame[at + byte] ?? 0) * 256 ** byte;
  return size;
}

/** Whether bytes start with zstd's magic number; an InferflowLog cannot. */
export function isZstd(bytes: Uint8Array): boolean {
  return bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd;
}
