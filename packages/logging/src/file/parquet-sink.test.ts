import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { describe, expect, it, vi } from 'vitest';
import type { LogMessage } from '../log-message.js';
import { encodeAll } from '../testing/encode-all.js';
import { recordOf } from '../testing/log-vectors.js';
import { temporaryFolder } from '../testing/temporary-folder.js';
import { createParquetSink } from './parquet-sink.js';

const bytes = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

function messages(modelConfigId = 'm/1'): readonly LogMessage[] {
  const made = recordOf({
    modelConfigId,
    features: [
      { name: 'it:stats:price', type: 'DataTypeFP32' },
      { name: 'n', type: 'INT64' },
      { name: 'u', type: 'Uint8' },
      { name: 'ok', type: 'Bool' },
      { name: 'h', type: 'FP16' },
      { name: 'q', type: 'FP8E4M3' },
      { name: 'emb', type: 'FP32Vector' },
      { name: 'tags', type: 'StringVector' },
      { name: 's', type: 'String' },
    ],
    rows: [
      {
        text: { s: 'é', tags: '["a","b"]' },
        bytes: {
          'it:stats:price': bytes(new Float32Array([1.5])),
          n: bytes(new BigInt64Array([9007199254740993n])),
          u: Uint8Array.of(200),
          ok: Uint8Array.of(1),
          h: Uint8Array.of(0, 0x3e),
          q: Uint8Array.of(0x38),
          emb: bytes(new Float32Array([0.25, -2])),
        },
      },
      { text: {}, bytes: {} },
    ],
  });
  return encodeAll(made, 'arrow').messages;
}

async function rowsIn(file: string): Promise<Record<string, unknown>[]> {
  const content = readFileSync(file);
  const buffer = content.buffer.slice(content.byteOffset, content.byteOffset + content.byteLength) as ArrayBuffer;
  return (await parquetReadObjects({ file: buffer, compressors })) as Record<string, unknown>[];
}

describe('createParquetSink', () => {
  it('writes one typed column per feature, partitioned by model, date and hour, nulls as nulls', async () => {
    const directory = temporaryFolder();
    const sink = await createParquetSink({ directory, useThread: false });
    expect(await sink.deliver('t', messages())).toEqual({ isDelivered: true });
    expect(readdirSync(directory)).toEqual([]);
    await sink.close(1000);
    const place = join(directory, 'model=m%2F1', 'date=2023-11-14', 'hour=22');
    const names = readdirSync(place);
    expect(names.length).toBe(1);
    expect(names[0]).toMatch(/\.parquet$/);
    const rows = await rowsIn(join(place, names[0] as string));
    expect(rows[0]).toEqual({
      _tracking_id: 't1',
      _entity_id: 'e1',
      _user_id: 'u1',
      _parent_entity: null,
      _logged_at: new Date(1_700_000_000_000),
      'it:stats:price': 1.5,
      n: 9007199254740993n,
      u: 200,
      ok: true,
      h: 1.5,
      q: 1,
      emb: [0.25, -2],
      tags: ['a', 'b'],
      s: 'é',
    });
    expect(
      Object.entries(rows[1] as object)
        .slice(5)
        .filter(([, value]) => value !== null && value !== undefined),
    ).toEqual([]);
  });

  it('logs a number that a column cannot hold as missing: the other rows of the file stay', async () => {
    const directory = temporaryFolder();
    const lost: string[] = [];
    const onLost = (...loss: readonly unknown[]): void => void lost.push(loss.join(' '));
    const sink = await createParquetSink({ directory, useThread: false, onLost });
    const types = ['Int8', 'Int16', 'Int32', 'Int64', 'Uint8', 'Uint16', 'Uint32', 'Uint64'];
    const text = (elements: string) => Object.fromEntries(types.map((type) => [type, elements]));
    const { messages: batch } = encodeAll(
      recordOf({
        features: types.map((type) => ({ name: type, type: `${type}Vector` })),
        rows: ['[1.5,1e400]', '[-99999999999999999999,99999999999999999999,1e30]', '[7]'].map((cell) => ({ text: text(cell), bytes: {} })),
      }),
      'arrow',
    );
    await sink.deliver('t', batch);
    await sink.close(1000);
    expect(lost).toEqual([]);
    const [file] = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.parquet'));
    const rows = await rowsIn(join(directory, file as string));
    expect(types.map((type) => rows.map((row) => row[type]))).toEqual(
      types.map((type) => [[null, null], [null, null, null], [type.endsWith('64') || type === 'Uint32' ? 7n : 7]]),
    );
  });

  it('closes files by size', async () => {
    const directory = temporaryFolder();
    let written = 0;
    const onWritten = (_: string, rows: number): void => {
      written += rows;
    };
    const sink = await createParquetSink({ directory, useThread: false, fileBytes: 1000, onWritten });
    for (let turn = 0; turn < 6; turn++) await sink.deliver('t', messages());
    expect(written).toBeGreaterThan(0);
    await sink.close(1000);
    expect(written).toBe(12);
    const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.parquet'));
    expect(files.length).toBeGreaterThan(2);
    const rows = (await Promise.all(files.map((name) => rowsIn(join(directory, name))))).flat();
    expect(rows.length).toBe(12);
  });

  it('closes a file when its time is up, also when the clock was set back meanwhile', async () => {
    const directory = temporaryFolder();
    let written = 0;
    const onWritten = (_: string, rows: number): void => {
      written += rows;
    };
    let now = Date.now();
    vi.spyOn(Date, 'now').mockImplementation(() => now);
    const sink = await createParquetSink({ directory, useThread: false, intervalMs: 60, onWritten });
    await sink.deliver('t', messages());
    now -= 3_600_000;
    try {
      await vi.waitFor(() => expect(written).toBe(2), 3000);
    } finally {
      vi.restoreAllMocks();
      await sink.close(1000);
    }
  });

  it('says which rows a file lost that could not be written', async () => {
    const directory = temporaryFolder();
    const lost: string[] = [];
    const sink = await createParquetSink({
      directory,
      useThread: false,
      onLost: (model, rows, reason) => lost.push(`${model} ${rows} ${reason}`),
    });
    await sink.deliver('t', messages());
    // A file where a folder should be: as good as a full disk, also for root.
    rmSync(directory, { recursive: true });
    const { writeFileSync } = await import('node:fs');
    writeFileSync(directory, '');
    await sink.close(1000);
    expect(lost).toEqual(['m/1 2 file_failed']);
  });
});
