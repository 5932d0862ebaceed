import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { missingLibrary } from '../errors.js';
import { loadZstd } from '../zstd.js';
import type { BatchCodec } from './record-batch.js';

/** How record batches are compressed on the way to the broker. */
export type KafkaCompression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

const require = createRequire(import.meta.url);
const ids = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

/**
 * A codec for batches to send.
 * @throws LoggingError INFERFLOW_LOGGING_DEPENDENCY_MISSING
 */
export async function batchCodec(compression: KafkaCompression): Promise<BatchCodec> {
  if (compression === 'none') return { id: 0, compress: null };
  const codec = await codecOf(compression);
  return { id: ids[compression], compress: (bytes) => codec.compress({ buffer: bytes }) };
}

/** Gives the client the codecs that it lacks and that are installed, for reading. */
export async function registerCodecs(registry: Record<number, () => Codec>): Promise<void> {
  for (const compression of ['snappy', 'lz4', 'zstd'] as const) {
    const codec = await codecOf(compression).catch(() => null);
    if (codec !== null) registry[ids[compression]] = () => codec;
  }
}

async function codecOf(compression: Exclude<KafkaCompression, 'none'>): Promise<Codec> {
  if (compression === 'gzip') return gzipCodec;
  if (compression === 'snappy') return snappyCodec();
  if (compression === 'lz4') return lz4Codec();
  const zstd = await loadZstd();
  return {
    // Where the runtime has zstd, its own threads compress.
    compress: async ({ buffer }) => (nativeZstd === null ? Buffer.from(zstd.compress(buffer)) : nativeZstd(buffer)),
    decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)),
  };
}

const gzip = promisify(zlib.gzip);
const gunzip = promisify(zlib.gunzip);
const gzipCodec: Codec = { compress: ({ buffer }) => gzip(buffer), decompress: (buffer) => gunzip(buffer) };
const { zstdCompress } = zlib as { readonly zstdCompress?: (bytes: Buffer, done: (error: Error | null, frame: Buffer) => void) => void };
const nativeZstd = zstdCompress === undefined ? null : promisify(zstdCompress);

/** Whether compressing holds the thread that asks for it. */
export function compressesInPlace(compression: KafkaCompression): boolean {
  return compression === 'zstd' && nativeZstd === null;
}

function load<Library>(name: string, compression: string): Library {
  try {
    return require(name) as Library;
  } catch (error) {
    throw missingLibrary(name, `Kafka compression ${compression}`, error);
  }
}

// Java clients frame snappy in blocks: a magic header, two versions, then length-prefixed chunks.
const xerialHeader = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00, 0, 0, 0, 1, 0, 0, 0, 1]);
const xerialBlock = 32 * 1024;

function snappyCodec(): Codec {
  const snappy = load<{ compress(bytes: Buffer): Promise<Buffer>; uncompress(bytes: Buffer): Promise<Buffer> }>('snappy', 'snappy');
  return {
    async compress({ buffer }) {
      const parts: Buffer[] = [xerialHeader];
      for (let at = 0; at < buffer.length; at += xerialBlock) {
        const block = await snappy.compress(buffer.subarray(at, at + xerialBlock));
        const length = Buffer.alloc(4);
        length.writeUInt32BE(block.length);
        parts.push(length, block);
      }
      return Buffer.concat(parts);
    },
    async decompress(buffer) {
      if (!buffer.subarray(0, 8).equals(xerialHeader.subarray(0, 8))) return snappy.uncompress(buffer);
      const parts: Buffer[] = [];
      for (let at = 16; at + 4 <= buffer.length; ) {
        const length = buffer.readUInt32BE(at);
        parts.push(await snappy.uncompress(buffer.subarray(at + 4, at + 4 + length)));
        at += 4 + length;
      }
      return Buffer.concat(parts);
    },
  };
}

function lz4Codec(): Codec {
  const lz4 = load<{ compressFrame(bytes: Buffer): Promise<Buffer>; decompressFrame(bytes: Buffer): Promise<Buffer> }>('lz4-napi', 'lz4');
  return { compress: ({ buffer }) => lz4.compressFrame(buffer), decompress: (buffer) => lz4.decompressFrame(buffer) };
}
