import { describe, expect, it } from 'vitest';
import { GrowingBytes } from '../encode/growing-bytes.js';
import { ThriftWriter } from '../encode/thrift-writer.js';
import { logFeature } from '../schema/log-schema.js';
import { zstdBomb } from '../testing/zstd-bomb.js';
import { decodeBlobs } from './decode-log.js';
import { ParquetType, readValues } from './parquet-encodings.js';
import { readParquetBlob } from './parquet-reader.js';

interface Claims {
  /** Rows as the footer says. */
  readonly rows?: number;
  /** Values of the column as the footer says. */
  readonly values?: number;
  /** Values of the page as its head says. */
  readonly inPage?: number;
  /** Groups of rows, each with the one page. */
  readonly groups?: number;
  /** Compressed values of the page, and how many bytes they become as its head says. */
  readonly packed?: { readonly codec: number; readonly bytes: Uint8Array; readonly length: number };
}

const none = { codec: 0, bytes: new Uint8Array(0), length: 0 };

/** A file of one nullable column `0` with a page of a run of nulls: whatever it says, it has about a hundred bytes. */
function file({ rows = 3, values = rows, inPage = values, groups = 1, packed = none }: Claims): Uint8Array {
  const bytes = new GrowingBytes();
  bytes.append(Buffer.from('PAR1'), 0, 4);
  const page = new ThriftWriter(bytes);
  const run = new GrowingBytes();
  for (let rest = inPage * 2; ; rest = Math.floor(rest / 128)) {
    run.appendByte(rest > 127 ? (rest % 128) | 128 : rest);
    if (rest <= 127) break;
  }
  run.appendByte(0);
  page
    .int32(1, 3)
    .int32(2, run.end + packed.length)
    .int32(3, run.end + packed.bytes.length);
  page.struct(8, () => page.int32(1, inPage).int32(2, inPage).int32(3, inPage).int32(4, 0).int32(5, run.end).int32(6, 0)).end();
  bytes.append(run.bytes, 0, run.end);
  bytes.append(packed.bytes, 0, packed.bytes.length);
  const start = bytes.end;
  const footer = new ThriftWriter(bytes);
  const chunk = () =>
    footer
      .int64(2, 4)
      .struct(3, () => footer.int32(1, 6).texts(3, ['0']).int32(4, packed.codec).int64(5, values).int64(6, 1).int64(7, 1).int64(9, 4));
  const columns = [() => footer.text(4, 'root').int32(5, 1), () => footer.int32(1, 6).int32(3, 1).text(4, '0')];
  footer.int32(1, 1).structs(2, columns).int64(3, rows);
  footer
    .structs(
      4,
      Array.from({ length: groups }, () => () => footer.structs(1, [chunk])),
    )
    .end();
  bytes.appendUint32(bytes.end - start);
  bytes.append(Buffer.from('PAR1'), 0, 4);
  return bytes.toBytes();
}

describe('readParquetBlob', () => {
  it('reads a column of nulls', async () => {
    const cells = await readParquetBlob(file({}));
    expect(cells.rowCount).toBe(3);
    expect(cells.cell(2, 0)).toBeNull();
  });

  it.each([
    ['in the footer', { values: 2 ** 31 - 1 }],
    ['in a page', { inPage: 2 ** 31 - 1 }],
    ['in many groups', { values: 1_000_000, groups: 100 }],
  ])('refuses more values than a record can have, %s, before it makes room for them', async (_, claims) => {
    const before = process.memoryUsage().arrayBuffers;
    await expect(readParquetBlob(file({ ...claims, rows: 3 }))).rejects.toMatchObject({ code: 'INFERFLOW_LOGGING_FORMAT_INVALID' });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20);
  });
});

describe('readParquetBlob, of compressed pages', () => {
  const codecs = { SNAPPY: 1, GZIP: 2, BROTLI: 4, LZ4: 5, ZSTD: 6, LZ4_RAW: 7 };
  it.each(Object.entries(codecs))('makes no room for more than a record may have: %s', async (_, codec) => {
    const before = process.memoryUsage().arrayBuffers;
    const packed = { codec, bytes: new Uint8Array(20), length: 1 << 30 };
    await expect(readParquetBlob(file({ packed }))).rejects.toMatchObject({ code: 'INFERFLOW_LOGGING_COMPRESSION_INVALID' });
    const many = { packed: { ...packed, length: 1 << 20 }, groups: 65 };
    await expect(readParquetBlob(file(many))).rejects.toThrow();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(128 << 20);
  });

  it('believes its head, not a zstd frame that says it has more', async () => {
    const packed = { codec: 6, bytes: zstdBomb(1 << 30), length: 100 };
    await expect(readParquetBlob(file({ packed }))).rejects.toThrow('its content has 1073741824 bytes; at most 100 are read');
    const fitting = { codec: 6, bytes: zstdBomb(1 << 20), length: 1 << 20 };
    expect((await readParquetBlob(file({ packed: fitting }))).cell(2, 0)).toBeNull();
  });
});

describe('readValues', () => {
  it('refuses values that share their beginnings and become more than a record may have', () => {
    // Delta blocks: so many values, the first, then blocks of 128 that add the same each time, in zigzag.
    const deltas = (count: number, first: number, step: number): number[] => [
      ...[128, 1, 4, (count & 127) | 128, ((count >> 7) & 127) | 128, count >> 14, first * 2],
      ...Array.from({ length: Math.ceil((count - 1) / 128) }, () => [step * 2, 0, 0, 0, 0]).flat(),
    ];
    const page = (count: number) => new Uint8Array([...deltas(count, 0, 1), ...deltas(count, 1, 0), ...new Uint8Array(count)]);
    const lengths = readValues(7, ParquetType.bytes, page(1000), 1000, null).map((value) => (value as Uint8Array).length);
    expect(lengths).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
    expect(() => readValues(7, ParquetType.bytes, page(100_000), 100_000, null)).toThrow('the parts of a record may have 67108864');
  });
});

describe('decodeBlobs', () => {
  it.each([1e6, 1e9, 2 ** 40])('refuses %d rows of a record with one entity', async (rows) => {
    const blobs = [file({ rows, values: 3 })];
    const header = { userId: '', trackingId: 't', modelConfigId: 'm', entities: ['e'], blobs, metadata: 0x84, parentEntity: [] };
    const decoded = decodeBlobs({ ...header, isCompressed: false, version: 1, format: 'parquet' }, [logFeature('x', 'INT32')]);
    await expect(decoded).rejects.toMatchObject({ code: 'INFERFLOW_LOGGING_FORMAT_INVALID' });
  });
});
