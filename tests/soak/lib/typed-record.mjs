// One request with a column of every type, and what a reader must see in each cell.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const resolve = createRequire(new URL('../../../packages/logging/package.json', import.meta.url)).resolve;
const { Block, CellStatus, createBlockShape, DataType, Layout, Matrix, MemoryPool, sourceOf } = await import(
  pathToFileURL(resolve('@inferflow/matrix'))
);
const { logFeature } = await import('../../../packages/logging/dist/index.js');

const bytesOf = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
const rounded = (value) => Number(value.toFixed(6));

/** Per column: schema type, type in the matrix, cells as bytes, and the values of a reader (floats to six decimals). */
const scalars = [
  ['INT8', DataType.Int8, Int8Array, [-128, 127]],
  ['INT16', DataType.Int16, Int16Array, [-32768, 1]],
  ['INT32', DataType.Int32, Int32Array, [-(2 ** 31), 2 ** 31 - 1]],
  ['INT64', DataType.Int64, BigInt64Array, [-(2n ** 63n), 2n ** 63n - 1n]],
  ['UINT8', DataType.Uint8, Uint8Array, [255, 1]],
  ['UINT16', DataType.Uint16, Uint16Array, [65535, 1]],
  ['UINT32', DataType.Uint32, Uint32Array, [2 ** 32 - 1, 1]],
  ['UINT64', DataType.Uint64, BigUint64Array, [2n ** 64n - 1n, 1n]],
  ['FP32', DataType.FP32, Float32Array, [0.1, -1e10]],
  ['FP64', DataType.FP64, Float64Array, [1 / 3, -1e-7]],
];
const floats = new Set(['FP32', 'FP64']);
const seen = (type, cells, value) => {
  if (typeof value === 'bigint') return value.toString();
  return floats.has(type) ? rounded(cells.length === 0 ? value : Number(value)) : value;
};
const columns = [
  ...scalars.map(([type, dataType, Cells, values]) => ({
    name: `it:s:${type.toLowerCase()}`,
    type,
    dataType,
    width: Cells.BYTES_PER_ELEMENT,
    cells: values.map((value) => bytesOf(Cells.of(value))),
    values: values.map((value) => seen(type, [], Cells.of(value)[0])),
  })),
  ...scalars.map(([type, dataType, Cells, values]) => ({
    name: `it:v:${type.toLowerCase()}`,
    type: `${type}Vector`,
    dataType: dataType + 15,
    width: Cells.BYTES_PER_ELEMENT * 2,
    cells: values.map((_, row) => bytesOf(Cells.from(row === 0 ? values : values.toReversed()))),
    values: values.map((_, row) => Array.from(Cells.from(row === 0 ? values : values.toReversed()), (value) => seen(type, [], value))),
  })),
  // Bytes of halves: 1.5, -2.
  { name: 'it:s:fp16', type: 'FP16', dataType: DataType.FP16, width: 2, cells: ['003e', '00c0'], values: [1.5, -2] },
  {
    name: 'it:v:fp16',
    type: 'FP16Vector',
    dataType: DataType.FP16Vector,
    width: 4,
    cells: ['003e00c0', '00c0003e'],
    values: [
      [1.5, -2],
      [-2, 1.5],
    ],
  },
  // Readers show such bytes as numbers.
  { name: 'it:s:fp8', type: 'FP8E4M3', dataType: DataType.FP8E4M3, width: 1, cells: ['7e', '01'], values: [126, 1] },
  { name: 'it:s:fp8b', type: 'FP8E5M2', dataType: DataType.FP8E5M2, width: 1, cells: ['7b', '80'], values: [123, 128] },
  ...['FP8E4M3', 'FP8E5M2'].map((type) => ({
    name: `it:v:${type.toLowerCase()}`,
    type: `${type}Vector`,
    dataType: DataType[`${type}Vector`],
    width: 3,
    cells: ['7e0180', '01ff00'],
    values: [
      [126, 1, 128],
      [1, 255, 0],
    ],
  })),
  // Texts with their lengths in front, as the feature store has them: readers see the list.
  {
    name: 'it:v:text',
    type: 'StringVector',
    dataType: DataType.StringVector,
    cells: ['02000300' + '6162c3bc22', '01007a'],
    values: [['ab', 'ü"'], ['z']],
  },
  { name: 'it:s:bool', type: 'BOOL', dataType: DataType.Bool, width: 1, cells: ['01', '00'], values: [true, false] },
  {
    name: 'it:v:bool',
    type: 'BoolVector',
    dataType: DataType.BoolVector,
    width: 2,
    cells: ['0100', '0001'],
    values: [
      [true, false],
      [false, true],
    ],
  },
  {
    name: 'it:s:text',
    type: 'String',
    dataType: DataType.String,
    cells: [Buffer.from('é, "x"\n'), Buffer.from('0.0')],
    values: ['é, "x"\n', '0.0'],
  },
  { name: 'it:s:bytes', type: 'BYTES', dataType: DataType.String, cells: [Buffer.from('hello'), Buffer.from('h')], values: ['hello', 'h'] },
].map((column) => ({ ...column, cells: column.cells.map((cell) => (typeof cell === 'string' ? Buffer.from(cell, 'hex') : cell)) }));

export const entityIds = ['e-1', 'ü', 'e-3'];
/** Names and types in schema order. */
export const schemaEntries = columns.map(({ name, type }) => ({ feature_name: name, feature_type: type }));
/** Per row: values as readers show them; the last row has none. */
export const expectedRows = [0, 1, 2].map((row) => columns.map(({ values }) => (row < 2 ? values[row] : null)));

/** The request, ready to be encoded. */
export function typedRecord() {
  const pool = new MemoryPool();
  const ids = createBlockShape([{ name: 'item', type: DataType.String }]);
  const shape = createBlockShape(
    columns.map(({ name, dataType, width }) => ({ name, type: dataType, ...(width !== undefined && { width }) })),
  );
  const layout = new Layout([ids, shape]);
  const matrix = new Matrix(layout, entityIds.length, pool);
  const idBlock = new Block().open(pool, ids, entityIds.length);
  const block = new Block().open(pool, shape, entityIds.length);
  for (const [row, id] of entityIds.entries()) {
    const bytes = Buffer.from(id);
    idBlock.setBytes(row, 0, bytes, 0, bytes.length, CellStatus.fresh);
    for (const [slot, { cells }] of columns.entries()) {
      const cell = cells[row];
      if (cell === undefined) block.markCell(row, slot, CellStatus.skipped);
      else block.setBytes(row, slot, cell, 0, cell.length, CellStatus.fresh);
    }
  }
  matrix.setBlock(0, idBlock);
  matrix.setBlock(1, block);
  const response = { features: ['item'], idColumn: 'item', loggingPercent: 100, logFeatures: false, logBatchSize: 0 };
  const config = { modelConfigId: 'typed', hash: 'h', cache: { version: 3 }, components: [], response };
  const features = columns.map(({ name, type }) => logFeature(name, type));
  return {
    schema: { modelConfigId: 'typed', configHash: 'h', version: 3, features },
    record: {
      trackingId: 'track-ü',
      userId: 'user',
      rowCount: entityIds.length,
      plan: { modelConfigId: 'typed', config, configHash: 'h', compat: false },
      matrix,
      target: (name) => sourceOf(layout.ref(name)),
      release() {},
    },
  };
}
