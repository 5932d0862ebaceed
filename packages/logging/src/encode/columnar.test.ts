import { tableFromIPC } from 'apache-arrow';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { decodeLog } from '../decode/decode-log.js';
import { parseLog } from '../decode/parse-log.js';
import type { LogMessage } from '../log-message.js';
import { logFeature } from '../schema/log-schema.js';
import { encodeAll, messageOf } from '../testing/encode-all.js';
import { type LogVector, readVectors, recordFromVector, recordOf, vectorCell } from '../testing/log-vectors.js';

/** Values that we write right where the original does not: half floats, BYTES, names the original cannot parse, scalars of a wrong width. */
const fixed: Readonly<Record<string, readonly number[]>> = {
  'text-columns': [4],
  'bytes-type': [0, 1],
  'fp16-from-fp32-bytes': [0],
  'wrong-width': [2, 3],
  'bare-type-names': [3, 4],
};

describe.each(['arrow', 'parquet'] as const)('RecordEncoder, %s', (format) => {
  const vectors = readVectors('written-by-go').filter(({ name }) => name.split('/')[1] === format);
  it.each(vectors.map((vector) => [vector.name, vector] as const))(
    'reads back what the original wrote: %s',
    async (name, vector: LogVector) => {
      for (const compat of [false, true]) {
        const { messages } = encodeAll(recordFromVector(vector, compat), format);
        const { row_offset: offset = 0, batch_size: batch = 0 } = vector.matrix ?? {};
        const message = messages[offset / (batch || 500)] as LogMessage;
        const features = vector.schema.map(({ feature_name, feature_type }) => logFeature(feature_name, feature_type));
        const decoded = await decodeLog(messageOf(message), features, { floats: 'rounded' });
        const skipped = new Set(fixed[name.split('/')[0] as string] ?? []);
        const wanted = (vector.expected.rows ?? []).map((row) =>
          row.map(vectorCell).map((cell, index) => (skipped.has(index) ? null : cell)),
        );
        expect(decoded.rows.map((row) => row.map((cell, index) => (skipped.has(index) ? null : cell)))).toEqual(wanted);
        expect(decoded.entityIds).toEqual(vector.expected.entity_id);
        expect(decoded.warnings).toEqual([]);
        if (name.split('/')[0] !== 'compression-flag')
          expect(decoded.metadata).toBe(vectorCell(vector.expected.metadata?.metadata_byte ?? null));
      }
    },
  );
});

const sparse = recordOf({
  features: [
    { name: 'i', type: 'Int32' },
    { name: 's', type: 'String' },
    { name: 'v', type: 'FP32Vector' },
  ],
  rows: Array.from({ length: 300 }, (_, row) => ({
    text: row % 3 === 0 ? { s: `text ${row}` } : {},
    bytes: {
      ...(row % 5 !== 0 && { i: new Uint8Array(new Int32Array([row]).buffer) }),
      ...(row % 7 === 0 && { v: new Uint8Array(new Float32Array([row, -row]).buffer) }),
    },
  })),
});

describe('Arrow blobs', () => {
  it('are streams that the official library reads, nulls included', () => {
    const { messages } = encodeAll(sparse, 'arrow');
    const table = tableFromIPC(parseLog(messageOf(messages[0] as LogMessage)).blobs[0] as Uint8Array);
    expect(table.numRows).toBe(300);
    expect(table.schema.fields.map(({ name, nullable, type }) => [name, nullable, String(type)])).toEqual([
      ['0', true, 'Binary'],
      ['1', true, 'Binary'],
      ['2', true, 'Binary'],
    ]);
    expect(table.getChild('0')?.nullCount).toBe(60);
    expect(Buffer.from(table.getChild('1')?.get(3) ?? []).toString()).toBe('text 3');
    expect(table.getChild('1')?.get(4)).toBeNull();
    const vector: Uint8Array = table.getChildAt(2)?.get(14) ?? new Uint8Array(0);
    expect([...new Float32Array(vector.slice().buffer)]).toEqual([14, -14]);
  });

  it('declare columns as the original for compat models', () => {
    const compat = { ...sparse, record: { ...sparse.record, plan: { ...sparse.record.plan, compat: true } } };
    // The layout is another object's: programs are kept by layout and schema.
    const schema = { ...sparse.schema };
    const { messages } = encodeAll({ record: compat.record, schema }, 'arrow');
    const table = tableFromIPC(parseLog(messageOf(messages[0] as LogMessage)).blobs[0] as Uint8Array);
    expect(table.schema.fields.every(({ nullable }) => !nullable)).toBe(true);
  });
});

describe('Parquet blobs', () => {
  it('are files that another reader opens as a map of bytes', async () => {
    const { messages } = encodeAll(sparse, 'parquet');
    const blob = parseLog(messageOf(messages[0] as LogMessage)).blobs[0] as Uint8Array;
    const file = blob.buffer.slice(blob.byteOffset, blob.byteOffset + blob.byteLength) as ArrayBuffer;
    const rows = (await parquetReadObjects({ file, utf8: false })) as { Features: Record<string, Uint8Array | null> }[];
    expect(rows.length).toBe(300);
    expect(
      parquetMetadata(file).schema.map(({ name, repetition_type, logical_type }) => [name, repetition_type, logical_type?.type]),
    ).toEqual([
      ['parquetRow', undefined, undefined],
      ['Features', 'REQUIRED', 'MAP'],
      ['key_value', 'REPEATED', undefined],
      ['key', 'REQUIRED', 'INTEGER'],
      ['value', 'OPTIONAL', undefined],
    ]);
    expect(Object.keys(rows[0]?.Features ?? {})).toEqual(['0', '1', '2']);
    rows.forEach(({ Features }, row) => {
      expect(Features['0'] === null ? null : Buffer.from(Features['0'] as Uint8Array).readInt32LE()).toBe(row % 5 === 0 ? null : row);
      expect(Features['1'] === null ? null : Buffer.from(Features['1'] as Uint8Array).toString()).toBe(
        row % 3 === 0 ? `text ${row}` : null,
      );
    });
  });
});
