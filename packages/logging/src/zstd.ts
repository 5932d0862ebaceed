import { createRequire } from 'node:module';
import zlib from 'node:zlib';
import { missingLibrary } from './errors.js';

/** One-shot zstd. Frames carry their content size, as readers of the log require. */
export interface Zstd {
  compress(bytes: Uint8Array): Uint8Array;
  /** Reads one frame; bytes behind it are ignored. Throws for anything else. */
  decompress(bytes: Uint8Array): Uint8Array;
}

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
  let wasm: { init(): Promise<void>; compress(bytes: Uint8Array, level?: number): Uint8Array; decompress(bytes: Uint8Array): Uint8Array };
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
    decompress: (bytes) => wasm.decompress(bytes),
  };
}

/** Whether a zstd frame says how long its content is. */
export function hasContentSize(frame: Uint8Array): boolean {
  const descriptor = frame[4] ?? 0;
  return descriptor >>> 6 !== 0 || (descriptor & 0x20) !== 0;
}

/** Whether bytes start with zstd's magic number; an InferflowLog cannot. */
export function isZstd(bytes: Uint8Array): boolean {
  return bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd;
}
