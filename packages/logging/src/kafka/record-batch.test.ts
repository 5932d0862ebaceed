import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from './crc32c.js';
import { type BatchCodec, type BatchRecord, encodeRecordBatch } from './record-batch.js';

// An independent reader: the client's own.
const require = createRequire(import.meta.url);
const Decoder = require('kafkajs/src/protocol/decoder');
const decodeBatch = require('kafkajs/src/protocol/recordBatch/v0/decoder') as (decoder: object) => Promise<DecodedBatch>;

interface DecodedBatch {
  readonly producerId: string;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly maxTimestamp: string;
  readonly records: readonly { readonly key: Buffer | null; readonly value: Buffer; readonly timestamp: string; readonly offset: string }[];
}

const plain: BatchCodec = { id: 0, compress: null };
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

async function read(pieces: readonly Uint8Array[]): Promise<DecodedBatch> {
  const bytes = Buffer.concat(pieces);
  expect(bytes.readInt32BE(8)).toBe(bytes.length - 12);
  expect(bytes.readInt8(16)).toBe(2);
  expect(bytes.readInt32BE(17)).toBe(crc32c(bytes.subarray(21), 0));
  return decodeBatch(new Decoder(bytes));
}

describe('crc32c', () => {
  it('is the checksum of RFC 3720', () => {
    expect(crc32c(text('123456789'), 0) >>> 0).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32), 0) >>> 0).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255), 0) >>> 0).toBe(0x62a8ab43);
  });

  it('does not depend on how bytes are cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, at) => {
        const cut = Math.min(at, bytes.length);
        expect(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut), 0))).toBe(crc32c(bytes, 0));
      }),
    );
  });
});

describe('encodeRecordBatch', () => {
  it('writes what a reader of the protocol reads, large values uncopied', async () => {
    const large = new Uint8Array(5000).map((_, index) => index);
    const records: BatchRecord[] = [
      { key: null, value: text('a'), timestampMs: 1_700_000_000_500 },
      { key: 'schlüssel', value: large, timestampMs: 1_700_000_000_000 },
      { key: null, value: new Uint8Array(0), timestampMs: 1_700_300_000_000 },
    ];
    const pieces = await encodeRecordBatch(records, { id: 77n, epoch: 3, firstSequence: 41 }, plain);
    expect(pieces).toContain(large);
    const batch = await read(pieces);
    expect([batch.producerId, batch.producerEpoch, batch.firstSequence].map(String)).toEqual(['77', '3', '41']);
    expect(batch.records.map(({ key }) => key?.toString() ?? null)).toEqual([null, 'schlüssel', null]);
    expect(batch.records.map(({ timestamp }) => timestamp)).toEqual(['1700000000500', '1700000000000', '1700300000000']);
    expect(batch.records.map(({ value }) => Buffer.from(value))).toEqual(records.map(({ value }) => Buffer.from(value)));
  });

  it('keeps every record, whatever its size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ key: fc.option(fc.string()), size: fc.constantFrom(0, 1, 63, 64, 2047, 2048, 9000) }), {
          minLength: 1,
          maxLength: 12,
        }),
        async (shapes) => {
          const records = shapes.map(({ key, size }, index) => ({
            key,
            value: new Uint8Array(size).fill(index + 1),
            timestampMs: 1e12 + index,
          }));
          const batch = await read(await encodeRecordBatch(records, { id: -1n, epoch: -1, firstSequence: -1 }, plain));
          expect(batch.records.map(({ key, value }) => [key?.toString() ?? null, value.length, value[0]])).toEqual(
            records.map(({ key, value }) => [key, value.length, value[0]]),
          );
        },
      ),
      { numRuns: 50 },
    );
  });
});
