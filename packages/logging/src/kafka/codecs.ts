import { createRequire } from 'node:module';
import { missingLibrary } from '../errors.js';
import { loadZstd } from '../zstd.js';

/** How record batches are compressed on the way to the broker. */
export type KafkaCompression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

const require = createRequire(import.meta.url);
const ids = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

/**
 * The client's number of a codec, registering it first where the client lacks it.
 * @throws LoggingError INFERFLOW_LOGGING_DEPENDENCY_MISSING
 */
export async function compressionType(compression: KafkaCompression, registry: Record<number, () => Codec>): Promise<number> {
  if (compression === 'snappy') registry[ids.snappy] = snappyCodec;
  if (compression === 'lz4') registry[ids.lz4] = lz4Codec;
  if (compression === 'zstd') {
    const zstd = await loadZstd();
    registry[ids.zstd] = () => ({
      compress: async ({ buffer }) => Buffer.from(zstd.compress(buffer)),
      decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)),
    });
  }
  if (compression === 'snappy' || compression === 'lz4') registry[ids[compression]]?.();
  return ids[compression];
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
