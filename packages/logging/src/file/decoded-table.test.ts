import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tableFromIPC } from 'apache-arrow';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { afterAll, describe, expect, it } from 'vitest';
import type { DecodedLog } from '../decode/decode-log.js';
import type { DecodedCell } from '../decode/decoded-cell.js';
import { logFeature } from '../schema/log-schema.js';
import { shortenWrites } from '../testing/short-writes.js';
import { openDecodedTable } from './decoded-table.js';

const folder = mkdtempSync(join(tmpdir(), 'inferflow-table-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const types = [
  'INT8',
  'INT64',
  'UINT64',
  'UINT32',
  'FP32',
  'FP64',
  'FP16',
  'FP8E4M3',
  'BOOL',
  'STRING',
  'FP32Vector',
  'StringVector',
  'BoolVector',
];
const features = types.map((type) => logFeature(type.toLowerCase(), type));
const full: DecodedCell[] = [
  -7,
  9007199254740993n,
  2n ** 64n - 1n,
  4294967295,
  0.5,
  1e-7,
  1.5,
  126,
  true,
  'é',
  [1.5, -2],
  ['a', ''],
  [true, false],
];

function logOf(rows: readonly (readonly DecodedCell[])[]): DecodedLog {
  const head = { userId: 'u', trackingId: 't', modelConfigId: 'm', blobs: [], metadata: 0, parentEntity: [], warnings: [] };
  const entityIds = rows.map((_, row) => `e${row}`);
  return { ...head, isCompressed: false, version: 1, format: 'proto', readAs: 'proto', entities: entityIds, entityIds, rows };
}

async function written(
  format: 'parquet' | 'arrow',
  rows: readonly (readonly DecodedCell[])[],
  times = 1,
  createdAtMs = 1_700_000_000_000,
): Promise<Buffer> {
  const path = join(folder, `${Math.random()}.${format}`);
  const table = await openDecodedTable(format, path, features);
  for (let turn = 0; turn < times; turn++) table.append(logOf(rows), createdAtMs);
  await table.close();
  return readFileSync(path);
}

const expected = [-7, 9007199254740993n, 2n ** 64n - 1n, 4294967295n, 0.5, 1e-7, 1.5, 448, true, 'é', [1.5, -2], ['a', ''], [true, false]];

describe('openDecodedTable', () => {
  it('writes Parquet with one typed column per feature', async () => {
    const bytes = await written('parquet', [full, full.map(() => null)]);
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
    const [first, second] = (await parquetReadObjects({ file, compressors })) as Record<string, unknown>[];
    expect(types.map((type) => first?.[type.toLowerCase()])).toEqual(expected);
    expect(first).toMatchObject({ _model_config_id: 'm', _tracking_id: 't', _entity_id: 'e0', _logged_at: new Date(1_700_000_000_000) });
    expect(types.map((type) => second?.[type.toLowerCase()] ?? null)).toEqual(full.map(() => null));
  });

  it('writes an Arrow file with one typed column per feature', async () => {
    const table = tableFromIPC(await written('arrow', [full, full.map(() => null)]));
    const [first, second] = table.toArray();
    const plain = (value: unknown): unknown =>
      typeof value === 'object' && value !== null && 'toArray' in value ? Array.from(value as unknown as Iterable<unknown>) : value;
    expect(types.map((type) => plain(first[type.toLowerCase()]))).toEqual(expected);
    expect(types.map((type) => second[type.toLowerCase()])).toEqual(full.map(() => null));
    expect(Number(first._logged_at)).toBe(1_700_000_000_000);
  });

  it('leaves out a time that is none', async () => {
    for (const createdAtMs of [1.8e22, -8.7e15, Number.NaN]) {
      const [row] = tableFromIPC(await written('arrow', [full], 1, createdAtMs)).toArray();
      expect(row._logged_at).toBeNull();
      const bytes = await written('parquet', [full], 1, createdAtMs);
      const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
      expect(await parquetReadObjects({ file, compressors, columns: ['_logged_at'] })).toEqual([{ _logged_at: null }]);
    }
  });

  it('writes an Arrow file to its end, though the disk takes it piece by piece', async () => {
    const restore = await shortenWrites();
    try {
      expect(tableFromIPC(await written('arrow', [full, full])).numRows).toBe(2);
    } finally {
      restore();
    }
  });

  it('writes more rows than a group holds, and none', async () => {
    expect(tableFromIPC(await written('arrow', [full, full, full], 4000)).numRows).toBe(12_000);
    expect(tableFromIPC(await written('arrow', [])).numRows).toBe(0);
    const bytes = await written('parquet', [full, full, full], 4000);
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
    expect((await parquetReadObjects({ file, compressors, columns: ['int8'] })).length).toBe(12_000);
  });
});
