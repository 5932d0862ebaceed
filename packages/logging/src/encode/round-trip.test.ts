import { DataType, dataTypes, decodeValue, encodeValue } from '@inferflow/matrix';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeLog } from '../decode/decode-log.js';
import type { DecodedCell } from '../decode/decoded-cell.js';
import { encodeAll, messageOf } from '../testing/encode-all.js';
import { recordOf } from '../testing/log-vectors.js';
import { loadZstd } from '../zstd.js';

const types = dataTypes.filter(({ dataType }) => dataType !== DataType.Unknown);

function bytesOf(dataType: DataType): fc.Arbitrary<Uint8Array> {
  const { isVector, isText, elementBytes } = types.find((info) => info.dataType === dataType) as (typeof types)[number];
  if (isText && !isVector)
    return fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).map((text) => new TextEncoder().encode(text));
  if (isText)
    return fc
      .array(fc.string({ unit: 'grapheme', maxLength: 5 }), { minLength: 1, maxLength: 4 })
      .map((texts) => encodeValue(dataType, texts));
  return (
    fc
      .uint8Array({ minLength: elementBytes * (isVector ? 2 : 1), maxLength: elementBytes * (isVector ? 2 : 1) })
      .map((bytes) => (dataType === DataType.Bool || dataType === DataType.BoolVector ? bytes.map((byte) => byte & 1) : bytes))
      // Bytes that read as JSON are taken for JSON by every reader.
      .filter((bytes) => !isVector || (bytes[0] !== 0x5b && bytes[0] !== 0x7b))
  );
}

/** What a reader gets of a typed value: FP8 as its code, 64-bit integers as numbers where they fit. */
function readerValue(dataType: DataType, bytes: Uint8Array): DecodedCell {
  const info = types.find((each) => each.dataType === dataType) as (typeof types)[number];
  if (info.elementType === DataType.FP8E4M3 || info.elementType === DataType.FP8E5M2)
    return info.isVector ? [...bytes] : (bytes[0] as number);
  const plain = (value: unknown): DecodedCell =>
    typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : (value as DecodedCell);
  const value = decodeValue(dataType, bytes);
  return Array.isArray(value) ? value.map(plain) : plain(value);
}

const column = fc.constantFrom(...types).chain(({ dataType, name }) =>
  fc.record({
    dataType: fc.constant(dataType),
    name: fc.constant(name),
    cells: fc.array(fc.option(bytesOf(dataType), { nil: null, freq: 4 }), { minLength: 12, maxLength: 12 }),
  }),
);
const request = fc.record({
  columns: fc.array(column, { minLength: 1, maxLength: 12 }),
  rowCount: fc.integer({ min: 1, max: 12 }),
  batchRows: fc.constantFrom(0, 1, 3, 5),
});

describe.each(['proto', 'arrow', 'parquet'] as const)('records in %s', (format) => {
  it.each([false, true])('come back cell for cell (compressed: %s)', async (isCompressed) => {
    const zstd = isCompressed ? await loadZstd() : null;
    await fc.assert(
      fc.asyncProperty(request, async ({ columns, rowCount, batchRows }) => {
        const features = columns.map(({ name }, index) => ({ name: `f${index}`, type: name }));
        const rows = Array.from({ length: rowCount }, (_, row) => ({
          text: {},
          bytes: Object.fromEntries(
            columns.flatMap(({ cells }, index) => (cells[row] === null ? [] : [[`f${index}`, cells[row] as Uint8Array]])),
          ),
        }));
        const made = recordOf({ features, rows, batchRows });
        const { messages, lost, unfit } = encodeAll(made, format, { zstd });
        expect(lost).toEqual([]);
        expect(unfit).toBe(0);
        const decoded = await Promise.all(messages.map((message) => decodeLog(messageOf(message), made.schema.features)));
        expect(decoded.every((log) => log.isCompressed === isCompressed && log.warnings.length === 0)).toBe(true);
        expect(decoded.flatMap(({ entityIds }) => entityIds)).toEqual(rows.map((_, row) => `e${row + 1}`));
        const got = decoded.flatMap((log) => log.rows);
        columns.forEach(({ dataType, cells }, index) => {
          const info = types.find((each) => each.dataType === dataType) as (typeof types)[number];
          rows.forEach((_, row) => {
            const cell = cells[row] as Uint8Array | null;
            if (cell !== null) expect(got[row]?.[index]).toEqual(readerValue(dataType, cell));
            // Scalars without value are zeros in the proto layout, whose flag says so.
            else if (format === 'proto' && !info.isVector && !info.isText) expect(Number(got[row]?.[index])).toBe(0);
            else expect(got[row]?.[index]).toBeNull();
          });
        });
      }),
      { numRuns: 60 },
    );
  });
});
