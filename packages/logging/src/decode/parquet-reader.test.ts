import { describe, expect, it } from 'vitest';
import { GrowingBytes } from '../encode/growing-bytes.js';
import { ThriftWriter } from '../encode/thrift-writer.js';
import { logFeature } from '../schema/log-schema.js';
import { decodeBlobs } from './decode-log.js';
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
}

/** A file of one nullable column `0` with a page of a run of nulls: whatever it says, it has about a hundred bytes. */
function file({ rows = 3, values = rows, inPage = values, groups = 1 }: Claims): Uint8Array {
  const bytes = new GrowingBytes();
  bytes.append(Buffer.from('PAR1'), 0, 4);
  const page = new ThriftWriter(bytes);
  const run = new GrowingBytes();
  for (let rest = inPage * 2; ; rest = Math.floor(rest / 128)) {
    run.appendByte(rest > 127 ? (rest % 128) | 128 : rest);
    if (rest <= 127) break;
  }
  run.appendByte(0);
  page.int32(1, 3).int32(2, run.end).int32(3, run.end);
  page.struct(8, () => page.int32(1, inPage).int32(2, inPage).int32(3, inPage).int32(4, 0).int32(5, run.end).int32(6, 0)).end();
  bytes.append(run.bytes, 0, run.end);
  const start = bytes.end;
  const footer = new ThriftWriter(bytes);
  const chunk = () =>
    footer.int64(2, 4).struct(3, () => footer.int32(1, 6).texts(3, ['0']).int32(4, 0).int64(5, values).int64(6, 1).int64(7, 1).int64(9, 4));
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

describe('decodeBlobs', () => {
  it.each([1e6, 1e9, 2 ** 40])('refuses %d rows of a record with one entity', async (rows) => {
    const blobs = [file({ rows, values: 3 })];
    const header = { userId: '', trackingId: 't', modelConfigId: 'm', entities: ['e'], blobs, metadata: 0x84, parentEntity: [] };
    const decoded = decodeBlobs({ ...header, isCompressed: false, version: 1, format: 'parquet' }, [logFeature('x', 'INT32')]);
    await expect(decoded).rejects.toMatchObject({ code: 'INFERFLOW_LOGGING_FORMAT_INVALID' });
  });
});
