import { describe, expect, it } from 'vitest';
import { Block } from './block.js';
import { createBlockShape } from './block-shape.js';
import { CellStatus } from './cell-status.js';
import { ColumnWriter } from './column-writer.js';
import { encodeValue } from './convert/encode-value.js';
import { DataType } from './data-type.js';
import { columnRef, isSlateRef, Layout, NONE, refBlock, refSlot, slateRef, sourceOf } from './layout.js';
import { Matrix } from './matrix.js';
import { MemoryPool } from './memory-pool.js';
import { rowsOfSlates } from './row-set.js';
import { createSlate } from './slate.js';

const given = createBlockShape([
  { name: 'user', type: DataType.String },
  { name: 'genre', type: DataType.String },
]);
const fetched = createBlockShape([
  { name: 'genre', type: DataType.FP32, width: 4 },
  { name: 'tags', type: DataType.StringVector },
  { name: 'count', type: DataType.Int64, width: 8 },
  { name: 'emb', type: DataType.FP32Vector },
]);
const layout = new Layout([given, null, fetched]);

function setUp() {
  const pool = new MemoryPool();
  const matrix = new Matrix(layout, 3, pool);
  const message = new TextEncoder().encode('__u1drama__');
  const request = Block.create(pool, given, 3, { externalHeap: message });
  request.setRange(0, 0, 2, 2, CellStatus.provided);
  request.setRange(1, 0, 2, 2, CellStatus.provided);
  request.setRange(0, 1, 4, 5, CellStatus.provided);
  request.setRange(1, 1, 4, 0, CellStatus.provided);
  request.markCell(2, 1, CellStatus.missing);
  const features = Block.create(pool, fetched, 2, { rowMapRows: 3 });
  features.mapRow(0, 0);
  features.mapRow(1, 1);
  features.mapRow(2, 1);
  new ColumnWriter(features, 0).setAll([7, 1234567]);
  new ColumnWriter(features, 1).setValue(1, ['ab', 'c']);
  new ColumnWriter(features, 2).setBigint(1, 9007199254740993n);
  new ColumnWriter(features, 3).setValue(0, [1.5, 2]);
  matrix.setBlock(0, request);
  matrix.setBlock(2, features);
  return { pool, matrix, message };
}
const texts = (column: { textAt(row: number): string }) => [0, 1, 2].map((row) => column.textAt(row));

describe('Matrix', () => {
  it('reads request texts where they lie', () => {
    const { matrix, message } = setUp();
    const column = matrix.text(sourceOf(layout.require('user')), 'key');
    expect(column.bytes).toBe(message);
    expect(texts(column)).toEqual(['u1', 'u1', '']);
    expect(matrix.text(sourceOf(layout.require('user')), 'key')).toBe(column);
  });

  it('keeps no text that could not be derived', () => {
    const { matrix } = setUp();
    const source = sourceOf(columnRef(0, 1), columnRef(2, 0));
    matrix.blockOf = () => {
      throw new RangeError('Array buffer allocation failed');
    };
    expect(() => matrix.text(source, 'key')).toThrow(RangeError);
    matrix.blockOf = Matrix.prototype.blockOf;
    expect(texts(matrix.text(source, 'key'))).toEqual(['drama', '1234567', '1234567']);
  });

  it('takes the second column where the first has no text, numbers written once per block row', () => {
    const { matrix } = setUp();
    const source = sourceOf(columnRef(0, 1), columnRef(2, 0));
    expect(texts(matrix.text(source, 'key'))).toEqual(['drama', '1234567', '1234567']);
    expect(texts(matrix.text(source, 'compat-key'))).toEqual(['drama', '1.234567e+06', '1.234567e+06']);
    expect(texts(matrix.text(source, 'answer'))).toEqual(['drama', '1.234567e+06', '1.234567e+06']);
    const { ranges } = matrix.text(source, 'key');
    expect(ranges[2]).toBe(ranges[4]);
  });

  it('decodes string vectors, or leaves their lengths in as the original does', () => {
    const { matrix } = setUp();
    const source = sourceOf(layout.require('tags'));
    expect(texts(matrix.text(source, 'answer'))).toEqual(['', 'ab,c', 'ab,c']);
    expect(texts(matrix.text(source, 'compat-answer'))[1]).toBe('\u0002\u0000\u0001\u0000abc');
    expect(texts(matrix.text(sourceOf(layout.require('emb')), 'answer'))).toEqual(['1.5,2', '', '']);
  });

  it('has empty texts for a block that was never made', () => {
    const { matrix } = setUp();
    expect(texts(matrix.text(sourceOf(columnRef(1, 0)), 'answer'))).toEqual(['', '', '']);
    expect(texts(matrix.text(sourceOf(NONE), 'answer'))).toEqual(['', '', '']);
  });

  it('gives all memory back with the last release, and can be opened again', () => {
    const { matrix, pool } = setUp();
    const released: number[] = [];
    matrix.onReleased = (which) => released.push(which.rowCount);
    matrix.text(sourceOf(layout.require('user')), 'key');
    matrix.retain();
    matrix.release();
    expect([pool.outstanding, released.length]).toEqual([2, 0]);
    matrix.release();
    expect([pool.outstanding, released]).toEqual([0, [3]]);
    expect(() => matrix.release()).toThrow(expect.objectContaining({ code: 'INFERFLOW_MATRIX_RELEASED' }));
    matrix.reopen(1);
    expect([matrix.references, matrix.rowCount, matrix.blocks]).toEqual([1, 1, [null, null, null]]);
  });

  it('never releases a block of constants', () => {
    const pool = new MemoryPool();
    const matrix = new Matrix(layout, 3, pool);
    const constants = Block.create(pool, given, 1);
    constants.isShared = true;
    matrix.setBlock(0, constants);
    matrix.release();
    expect([constants.isOpen, pool.outstanding]).toEqual([true, 1]);
  });
});

describe('ColumnReader', () => {
  it('reads numbers, integers, texts and bytes of any column, by row', () => {
    const { matrix } = setUp();
    const genre = matrix.reader(sourceOf(columnRef(2, 0)));
    expect([0, 1, 2].map((row) => genre.number(row))).toEqual([7, 1234567, 1234567]);
    expect([...genre.toFloat32Array()]).toEqual([7, 1234567, 1234567]);
    const count = matrix.reader(sourceOf(layout.require('count')));
    expect([count.bigint(1), count.hasValue(0), count.status(0), count.number(0)]).toEqual([
      9007199254740993n,
      false,
      CellStatus.unwritten,
      Number.NaN,
    ]);
    expect([...count.toFloat64Array()]).toEqual([0, 9007199254740992, 9007199254740992]);
    const emb = matrix.reader(sourceOf(layout.require('emb')));
    expect([emb.number(0), emb.text(0), [...emb.bytes(0)]]).toEqual([1.5, '1.5,2', [...encodeValue(DataType.FP32Vector, [1.5, 2])]]);
  });

  it('looks at the second column only where the first has no value', () => {
    const { matrix } = setUp();
    const reader = matrix.reader(sourceOf(columnRef(0, 1), columnRef(2, 0)));
    expect([reader.text(0), reader.text(2), reader.status(2)]).toEqual(['drama', '1.234567e+06', CellStatus.fresh]);
    expect(matrix.reader(sourceOf(NONE)).status(0)).toBe(CellStatus.unwritten);
  });
});

describe('ColumnWriter', () => {
  it('writes what the type can hold and marks the rest failed', () => {
    const pool = new MemoryPool();
    const block = Block.create(pool, fetched, 4);
    const genre = new ColumnWriter(block, 0);
    expect([genre.setNumber(0, 0.5), genre.setText(1, '1e3'), genre.setText(2, 'x'), genre.setBytes(3, Uint8Array.of(1))]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect([0, 1, 2, 3].map((row) => block.status(row, 0))).toEqual([
      CellStatus.fresh,
      CellStatus.fresh,
      CellStatus.failed,
      CellStatus.failed,
    ]);
    genre.setNull(0);
    genre.fail(1);
    expect([block.status(0, 0), block.status(1, 0), block.memory.view.getFloat32(0, true)]).toEqual([
      CellStatus.null,
      CellStatus.failed,
      0,
    ]);
    const count = new ColumnWriter(block, 2);
    count.setNumber(0, 1e30);
    count.setNumber(1, -2.7);
    count.setBigint(2, -1n);
    expect([0, 1, 2].map((row) => block.memory.view.getBigInt64(block.cellStart(row, 2), true))).toEqual([9223372036854775807n, -2n, -1n]);
  });
});

describe('Layout', () => {
  it('finds columns by name and block', () => {
    expect(layout.refs('genre')).toEqual([columnRef(0, 1), columnRef(2, 0)]);
    expect([layout.ref('genre', 2), layout.ref('genre', 1), layout.ref('nope')]).toEqual([columnRef(2, 0), NONE, NONE]);
    expect(() => layout.require('nope')).toThrow(expect.objectContaining({ code: 'INFERFLOW_MATRIX_UNKNOWN_COLUMN', columnName: 'nope' }));
    expect(layout.names()).toEqual(['user', 'genre', 'tags', 'count', 'emb']);
    const ref = slateRef(columnRef(2, 3));
    expect([refBlock(ref), refSlot(ref), isSlateRef(ref), isSlateRef(columnRef(2, 3)), slateRef(NONE)]).toEqual([2, 3, true, false, NONE]);
  });
});

describe('Slate', () => {
  it('is read as rows of its targets', () => {
    const matrix = new Matrix(new Layout([]), 3, new MemoryPool());
    const slate = createSlate(matrix, [[2, 0], [], [1]], 3);
    const rows = rowsOfSlates(slate);
    expect([rows.count, [...(rows.rows ?? [])], [...(rows.slateOf ?? [])]]).toEqual([3, [2, 0, 1], [0, 0, 2]]);
    expect(() => createSlate(matrix, [[3]], 3)).toThrow(expect.objectContaining({ code: 'INFERFLOW_MATRIX_OUT_OF_RANGE' }));
  });
});
