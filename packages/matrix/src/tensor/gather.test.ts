import { describe, expect, it } from 'vitest';
import { Block } from '../block.js';
import { createBlockShape } from '../block-shape.js';
import { CellStatus } from '../cell-status.js';
import { encodeValue } from '../convert/encode-value.js';
import { DataType } from '../data-type.js';
import { columnRef, Layout, sourceOf } from '../layout.js';
import { Matrix } from '../matrix.js';
import { MemoryPool } from '../memory-pool.js';
import { allRows, type RowSet } from '../row-set.js';
import { DefaultedRow } from './defaulted-row.js';
import { gather } from './gather.fixture.js';
import { compileGather } from './gather-program.js';

describe('compileGather', () => {
  const pool = new MemoryPool();
  const floats = createBlockShape([1, 2, 3].map((index) => ({ name: `f${index}`, type: DataType.FP32, width: 4 })));

  function matrixOf(...blocks: readonly Block[]): Matrix {
    const matrix = new Matrix(new Layout(blocks.map((made) => made.shape)), 2, pool);
    blocks.forEach((made, index) => {
      matrix.setBlock(index, made);
    });
    return matrix;
  }

  /** An FP32 input of the three floats, in this order. */
  const compileFloats = (layout: Layout, order: readonly number[] = [0, 1, 2]) =>
    compileGather({ sources: order.map((index) => sourceOf(columnRef(0, index))), layout, v2Type: 'FP32', shape: [3], compat: false });

  function putFloats(made: Block, rows: number, numberAt: (row: number, index: number) => number): void {
    for (let row = 0; row < rows; row++)
      for (const index of [0, 1, 2]) made.setBytes(row, index, encodeValue(DataType.FP32, numberAt(row, index)), 0, 4, CellStatus.fresh);
  }

  it('is one copy when the tensor row is the block row', () => {
    const made = Block.create(pool, floats, 2, { rowMapRows: 2 });
    for (const row of [0, 1]) made.mapRow(row, row);
    putFloats(made, 2, (row, index) => row * 10 + index);
    const matrix = matrixOf(made);
    const program = compileFloats(matrix.layout);
    expect([program.describe(), program.prepare(matrix, null, allRows(2)), program.elementsPerRow()]).toEqual(['copy', 0, 3]);
    expect([...new Float32Array(gather(program, matrix, null, allRows(2)).buffer)]).toEqual([0, 1, 2, 10, 11, 12]);
    made.mapRow(1, 0);
    program.prepare(matrix, null, allRows(2));
    expect([...new Float32Array(gather(program, matrix, null, allRows(2)).buffer)]).toEqual([0, 1, 2, 0, 1, 2]);
  });

  it('is one copy of many rows, too', () => {
    const made = Block.create(pool, floats, 40);
    putFloats(made, 40, (row, index) => row * 3 + index);
    const matrix = matrixOf(made);
    const program = compileFloats(matrix.layout);
    program.prepare(matrix, null, allRows(40));
    const values = (from: number, to: number) => [...new Float32Array(gather(program, matrix, null, allRows(40), from, to).buffer)];
    expect(values(0, 40)).toEqual(Array.from({ length: 120 }, (_, index) => index));
    expect(values(7, 9)).toEqual([21, 22, 23, 24, 25, 26]);
  });

  it('writes to one target after the other, to the same again after a run, and to none that is too short', () => {
    const made = Block.create(pool, floats, 2);
    const matrix = matrixOf(made);
    const rows = allRows(2);
    for (const [order, isCopy] of [
      [[0, 1, 2], true],
      [[2, 0, 1], false],
    ] as const) {
      const program = compileFloats(matrix.layout, order);
      expect(program.describe() === 'copy').toBe(isCopy);
      const [one, two] = [new Uint8Array(24), new Uint8Array(24)];
      const numbers = (target: Uint8Array) => [...new Float32Array(target.slice().buffer)];
      const wanted = (first: number) => [0, 1].flatMap((row) => order.map((index) => first + row * 3 + index));
      for (const [first, target] of [
        [10, one],
        [20, two],
        [30, one],
        [40, one],
      ] as const) {
        putFloats(made, 2, (row, index) => first + row * 3 + index);
        program.prepare(matrix, null, rows);
        program.write(matrix, null, rows, 0, 2, target, 0);
        if (first > 20) program.clear();
        expect(numbers(target)).toEqual(wanted(first));
      }
      expect(numbers(two)).toEqual(wanted(20));
      program.prepare(matrix, null, rows);
      const tooFar = expect.objectContaining({ code: 'INFERFLOW_MATRIX_OUT_OF_RANGE' });
      expect(() => program.write(matrix, null, rows, 0, 2, new Uint8Array(23), 0)).toThrow(tooFar);
      expect(() => program.write(matrix, null, rows, 0, 2, one, 1)).toThrow(tooFar);
      expect(() => program.write(matrix, null, rows, 1, 2, one, -1)).toThrow(tooFar);
    }
  });

  it('counts the values that had to become another type: not copies, texts that are parsed, nor defaults', () => {
    const shape = createBlockShape([
      { name: 'f', type: DataType.FP32, width: 4 },
      { name: 'd', type: DataType.FP64, width: 8 },
      { name: 'i', type: DataType.Int16, width: 2 },
      { name: 't', type: DataType.String },
    ]);
    const made = Block.create(pool, shape, 3, { heapBytes: 64 });
    for (const row of [0, 1, 2]) {
      made.setBytes(row, 0, encodeValue(DataType.FP32, row), 0, 4, CellStatus.fresh);
      made.setBytes(row, 1, encodeValue(DataType.FP64, row), 0, 8, CellStatus.fresh);
      if (row === 0) made.markCell(row, 2, CellStatus.missing);
      else made.setBytes(row, 2, encodeValue(DataType.Int16, row), 0, 2, CellStatus.fresh);
      made.setBytes(row, 3, Uint8Array.of(49), 0, 1, CellStatus.fresh);
    }
    const matrix = matrixOf(made);
    const conversions = (v2Type: string, ...slots: number[]) => {
      const sources = slots.map((index) => sourceOf(columnRef(0, index)));
      const texts = slots.map((index) => index === 3);
      const program = compileGather({ sources, layout: matrix.layout, v2Type, shape: [slots.length], compat: false, texts });
      // Twice: a program starts again with every run.
      program.prepare(matrix, null, allRows(3));
      program.prepare(matrix, null, allRows(3));
      return program.conversions;
    };
    expect(conversions('FP32', 0)).toBe(0);
    expect(conversions('FP32', 0, 1)).toBe(3);
    expect(conversions('FP32', 1, 2)).toBe(5);
    expect(conversions('FP32', 3)).toBe(0);
    expect(conversions('BYTES', 0, 3)).toBe(3);
  });

  it('fills what is missing by the width of its own column, or by the shape', () => {
    const shape = createBlockShape([
      { name: 'v', type: DataType.FP32Vector },
      { name: 's', type: DataType.FP32, width: 4 },
    ]);
    const made = Block.create(pool, shape, 2);
    made.setBytes(0, 0, encodeValue(DataType.FP32Vector, [1, 2]), 0, 8, CellStatus.fresh);
    made.markRows(1, 2, CellStatus.failed);
    made.setBytes(0, 1, encodeValue(DataType.FP32, 9), 0, 4, CellStatus.fresh);
    const matrix = matrixOf(made);
    const sources = [sourceOf(columnRef(0, 0)), sourceOf(columnRef(0, 1))];
    const base = { layout: matrix.layout, v2Type: 'FP32', compat: false };
    const both = compileGather({ ...base, sources, shape: [3] });
    expect(both.prepare(matrix, null, allRows(2))).toBe(2);
    expect([...new Float32Array(gather(both, matrix, null, allRows(2)).buffer)]).toEqual([1, 2, 9, 0, 0, 0]);
    // The original: the shape's three elements for the vector, one for the scalar.
    const compat = compileGather({ ...base, sources, shape: [3], compat: true });
    expect([compat.prepare(matrix, null, allRows(2)), compat.elementsPerRow()]).toEqual([2, -1]);
    expect([...new Float32Array(gather(compat, matrix, null, allRows(2)).buffer)]).toEqual([1, 2, 9, 0, 0, 0, 0]);
    const onlyRow1: RowSet = { count: 1, rows: Int32Array.of(1), slateOf: null };
    expect(both.prepare(matrix, null, onlyRow1)).toBe(2);
    expect(both.elementsPerRow()).toBe(3);
    const unknown = compileGather({ ...base, sources: [null], shape: [2, 2] });
    expect([unknown.prepare(matrix, null, allRows(2)), unknown.elementsPerRow(), unknown.describe()]).toEqual([
      2,
      4,
      'default for 1 column',
    ]);
  });

  it('divides what the shape leaves among columns without any value, anew in every run', () => {
    const shape = createBlockShape([
      { name: 'v', type: DataType.FP32Vector },
      { name: 'w', type: DataType.FP32Vector },
      { name: 's', type: DataType.FP32, width: 4 },
    ]);
    const made = Block.create(pool, shape, 2);
    for (const row of [0, 1]) made.setBytes(row, 2, encodeValue(DataType.FP32, 9), 0, 4, CellStatus.fresh);
    const matrix = matrixOf(made);
    const sources = [sourceOf(columnRef(0, 0)), null, sourceOf(columnRef(0, 1)), sourceOf(columnRef(0, 2))];
    const program = compileGather({ sources, layout: matrix.layout, v2Type: 'FP32', shape: [7], compat: false });
    const rowOf = (row: number) => [...new Float32Array(gather(program, matrix, null, allRows(2), row, row + 1).buffer)];
    // Two vectors of unknown lengths in front of a value, which might stand anywhere behind them.
    expect([program.prepare(matrix, null, allRows(2)), program.misfits]).toEqual([6, true]);
    made.setBytes(1, 0, encodeValue(DataType.FP32Vector, [1, 2, 3, 4]), 0, 16, CellStatus.fresh);
    expect([program.prepare(matrix, null, allRows(2)), program.elementsPerRow(), program.misfits]).toEqual([5, 7, false]);
    expect(rowOf(1)).toEqual([1, 2, 3, 4, 0, 0, 9]);
    made.setBytes(0, 1, encodeValue(DataType.FP32Vector, [5]), 0, 4, CellStatus.fresh);
    made.markCell(1, 0, CellStatus.missing);
    expect([program.prepare(matrix, null, allRows(2)), program.elementsPerRow(), program.misfits]).toEqual([5, 7, false]);
    expect(rowOf(0)).toEqual([0, 0, 0, 0, 0, 5, 9]);
  });

  /** A target block with vectors "a" and "b", a number "n" between them, and what an input of all three gets. */
  function twoVectors(shape: readonly number[], columns: readonly number[] = [0, 1, 2]) {
    const slots = [{ type: DataType.FP32Vector }, { type: DataType.FP32, width: 4 }, { type: DataType.FP32Vector }];
    const made = Block.create(pool, createBlockShape(slots.map((slot, index) => ({ name: `c${index}`, ...slot }))), 3);
    const matrix = matrixOf(made);
    const sources = columns.map((slot) => sourceOf(columnRef(0, slot)));
    const program = compileGather({ sources, layout: matrix.layout, v2Type: 'FP32', shape, compat: false });
    return {
      set(row: number, a: readonly number[] | null, n: number | null, b: readonly number[] | null) {
        const values = [a, n, b];
        for (const [slot, value] of values.entries()) {
          const bytes = value === null ? new Uint8Array(0) : encodeValue(slot === 1 ? DataType.FP32 : DataType.FP32Vector, value as number);
          if (value === null) made.markCell(row, slot, CellStatus.missing);
          else made.setBytes(row, slot, bytes, 0, bytes.length, CellStatus.fresh);
        }
      },
      /** Rows as they are sent; null when they must not be. */
      rows(count = 1): number[][] | null {
        const of = allRows(count);
        program.prepare(matrix, null, of);
        if (program.misfits) return null;
        return Array.from({ length: count }, (_, row) => [...new Float32Array(gather(program, matrix, null, of, row, row + 1).buffer)]);
      },
      marks: () => [...program.defaultedRows],
    };
  }

  it('takes the width of an only vector from the shape, whatever a row has', () => {
    const { set, rows, marks } = twoVectors([2], [0]);
    set(0, [1, 2, 3], null, null);
    set(1, [4, 5], null, null);
    set(2, null, null, null);
    expect(rows(3)).toEqual([
      [0, 0],
      [4, 5],
      [0, 0],
    ]);
    expect(marks()).toEqual([DefaultedRow.lost, DefaultedRow.none, DefaultedRow.absent]);
    set(1, [4], null, null);
    expect(rows(3)).toBe(null);
    set(0, null, null, null);
    set(1, null, null, null);
    expect(rows(2)).toEqual([
      [0, 0],
      [0, 0],
    ]);
    const beside = twoVectors([4], [0, 1]);
    beside.set(0, [1, 2], 9, null);
    beside.set(1, [4, 5, 6], 9, null);
    expect(beside.rows(2)).toEqual([
      [0, 0, 0, 9],
      [4, 5, 6, 9],
    ]);
  });

  it('keeps values where they belong when vectors are missing: by a row that has all, then by what was learned', () => {
    const { set, rows } = twoVectors([7]);
    set(0, null, 9, null);
    expect(rows()).toBe(null);
    set(0, null, 9, [3, 4, 5, 6]);
    expect(rows()).toEqual([[0, 0, 9, 3, 4, 5, 6]]);
    set(0, null, null, null);
    expect(rows()).toEqual([[0, 0, 0, 0, 0, 0, 0]]);
    // The first row is too long, the second tells.
    set(0, [1, 2, 3], 9, [3, 4, 5, 6]);
    set(1, [1, 2], 9, [3, 4, 5, 6]);
    expect(rows(2)).toEqual([
      [0, 0, 9, 3, 4, 5, 6],
      [1, 2, 9, 3, 4, 5, 6],
    ]);
    set(0, null, 9, null);
    expect(rows()).toEqual([[0, 0, 9, 0, 0, 0, 0]]);
  });

  it('says that rows do not fill the shape', () => {
    const { set, rows } = twoVectors([7]);
    set(0, [1, 2], 9, [3, 4, 5]);
    expect(rows()).toBe(null);
    set(0, [1, 2], 9, [3, 4, 5, 6]);
    expect(rows()).toEqual([[1, 2, 9, 3, 4, 5, 6]]);
    set(0, [1, 2], 9, [3, 4, 5]);
    expect(rows()).toEqual([[1, 2, 9, 0, 0, 0, 0]]);
  });

  it('looks at a cell twice at most, however many columns have no value: when a feature store is down all have none', () => {
    const columns = 40;
    const rows = 30;
    const shape = createBlockShape(Array.from({ length: columns }, (_, index) => ({ name: `v${index}`, type: DataType.FP32Vector })));
    const made = Block.create(pool, shape, rows);
    const matrix = matrixOf(made);
    const sources = Array.from({ length: columns }, (_, index) => [sourceOf(columnRef(0, index)), null]).flat();
    const program = compileGather({ sources, layout: matrix.layout, v2Type: 'FP32', shape: [columns * 4], compat: false });
    // Whoever looks at a cell takes the memory of its block to do so.
    const { memory } = made;
    let looks = 0;
    Object.defineProperty(made, 'memory', {
      get: () => {
        looks++;
        return memory;
      },
    });
    expect([program.prepare(matrix, null, allRows(rows)), program.elementsPerRow()]).toEqual([columns * 2 * rows, columns * 4]);
    expect(looks).toBeGreaterThan(0);
    expect(looks).toBeLessThanOrEqual(columns * rows * 2);
  });

  it('reads vectors given as text, and defaults those of another length', () => {
    const message = new TextEncoder().encode('0.5:1.5|7|');
    const made = Block.create(pool, createBlockShape([{ name: 'emb', type: DataType.String }]), 2, { externalHeap: message });
    made.setRange(0, 0, 0, 7, CellStatus.provided);
    made.setRange(1, 0, 8, 1, CellStatus.provided);
    const matrix = matrixOf(made);
    const spec = { sources: [sourceOf(columnRef(0, 0))], layout: matrix.layout, v2Type: 'FP32', shape: [2], texts: [true] };
    const program = compileGather({ ...spec, compat: false });
    expect(program.prepare(matrix, null, allRows(2))).toBe(1);
    expect([...new Float32Array(gather(program, matrix, null, allRows(2)).buffer)]).toEqual([0.5, 1.5, 0, 0]);
    const compat = compileGather({ ...spec, compat: true });
    compat.prepare(matrix, null, allRows(2));
    expect([...new Float32Array(gather(compat, matrix, null, allRows(2)).buffer)]).toEqual([0.5, 1.5, 7]);
  });

  it('takes a block that is not there as defaults, and another shape of a block as it comes', () => {
    const layout = new Layout([createBlockShape([{ name: 'v', type: DataType.FP32Vector }])]);
    const matrix = new Matrix(layout, 2, pool);
    const program = compileGather({ sources: [sourceOf(columnRef(0, 0))], layout, v2Type: 'FP32', shape: [2], compat: false });
    expect(program.prepare(matrix, null, allRows(2))).toBe(2);
    expect([...gather(program, matrix, null, allRows(2))]).toEqual(new Array(16).fill(0));
    const tight = Block.create(pool, createBlockShape([{ name: 'v', type: DataType.FP32Vector, width: 8 }]), 2);
    for (const row of [0, 1]) tight.setBytes(row, 0, encodeValue(DataType.FP32Vector, [row, 5]), 0, 8, CellStatus.cached);
    matrix.setBlock(0, tight);
    expect(program.prepare(matrix, null, allRows(2))).toBe(0);
    expect([...new Float32Array(gather(program, matrix, null, allRows(2)).buffer)]).toEqual([0, 5, 1, 5]);
  });

  it('passes BF16 cells as they are', () => {
    const made = Block.create(pool, createBlockShape([{ name: 'b', type: DataType.Unknown, width: 2 }]), 2);
    made.setBytes(0, 0, Uint8Array.of(1, 2), 0, 2, CellStatus.fresh);
    const matrix = matrixOf(made);
    const program = compileGather({
      sources: [sourceOf(columnRef(0, 0))],
      layout: matrix.layout,
      v2Type: 'BF16',
      shape: [1],
      compat: false,
    });
    expect(program.prepare(matrix, null, allRows(2))).toBe(1);
    expect([...gather(program, matrix, null, allRows(2))]).toEqual([1, 2, 0, 0]);
  });

  it('rounds numbers and texts to BF16, to nearest even', () => {
    const shape = createBlockShape([
      { name: 'f', type: DataType.FP32 },
      { name: 'v', type: DataType.FP64Vector, width: 16 },
      { name: 'i', type: DataType.Int64 },
      { name: 't', type: DataType.String },
    ]);
    const made = Block.create(pool, shape, 2);
    // 1 + 2^-8 lies between two BF16 values: the even one is 1; 1 + 3 × 2^-8 goes up.
    made.setBytes(0, 0, encodeValue(DataType.FP32, 1 + 2 ** -8), 0, 4, CellStatus.fresh);
    made.setBytes(1, 0, encodeValue(DataType.FP32, 1 + 3 * 2 ** -8), 0, 4, CellStatus.fresh);
    made.setBytes(0, 1, encodeValue(DataType.FP64Vector, [Number.NaN, -Infinity]), 0, 16, CellStatus.fresh);
    made.setBytes(1, 1, encodeValue(DataType.FP64Vector, [3.4e38, -0]), 0, 16, CellStatus.fresh);
    made.setBytes(0, 2, encodeValue(DataType.Int64, -3n), 0, 8, CellStatus.fresh);
    made.setBytes(0, 3, new TextEncoder().encode('2.5'), 0, 3, CellStatus.provided);
    made.setBytes(1, 3, new TextEncoder().encode('x'), 0, 1, CellStatus.provided);
    const matrix = matrixOf(made);
    const sources = [0, 1, 2, 3].map((slot) => sourceOf(columnRef(0, slot)));
    const program = compileGather({ sources, layout: matrix.layout, v2Type: 'BF16', shape: [5], compat: false });
    expect(program.prepare(matrix, null, allRows(2))).toBe(2);
    const codes = [...new Uint16Array(gather(program, matrix, null, allRows(2)).buffer)].map((code) => code.toString(16));
    expect(codes).toEqual(['3f80', '7fc0', 'ff80', 'c040', '4020', '3f82', '7f80', '8000', '0', '0']);
    expect([...program.defaultedRows.subarray(0, 2)]).toEqual([DefaultedRow.none, DefaultedRow.lost]);
  });

  it('keeps two runs apart with forked programs', () => {
    const one = Block.create(pool, floats, 2);
    const other = Block.create(pool, floats, 2);
    one.setBytes(0, 0, encodeValue(DataType.FP32, 1), 0, 4, CellStatus.fresh);
    other.setBytes(0, 0, encodeValue(DataType.FP32, 2), 0, 4, CellStatus.fresh);
    const first = matrixOf(one);
    const second = matrixOf(other);
    const program = compileGather({
      sources: [sourceOf(columnRef(0, 0))],
      layout: first.layout,
      v2Type: 'FP64',
      shape: [1],
      compat: false,
    });
    const fork = program.fork();
    program.prepare(first, null, allRows(2));
    fork.prepare(second, null, allRows(2));
    expect([...new Float64Array(gather(program, first, null, allRows(2)).buffer)]).toEqual([1, 0]);
    expect([...new Float64Array(gather(fork, second, null, allRows(2)).buffer)]).toEqual([2, 0]);
    program.clear();
  });

  it('says in words what it does, and that a column without a conversion gets the default', () => {
    const shape = createBlockShape([
      { name: 'a', type: DataType.FP32, width: 4 },
      { name: 'gap', type: DataType.Int8, width: 1 },
      { name: 'b', type: DataType.FP32, width: 4 },
      { name: 't', type: DataType.String },
      { name: 'l', type: DataType.StringVector },
    ]);
    const layout = new Layout([shape]);
    const refs = [0, 1, 2, 3, 4].map((index) => sourceOf(columnRef(0, index)));
    const program = compileGather({ sources: refs, layout, v2Type: 'FP32', shape: [5], compat: false });
    expect(program.describe()).toBe('gather 2 runs, convert 1 column, parse 1 text column, default for 1 column');
    expect(compileGather({ sources: refs, layout, v2Type: 'BYTES', shape: [5], compat: false }).describe()).toBe('text');
    expect(() => compileGather({ sources: refs, layout, v2Type: 'FLOAT', shape: [5], compat: false })).toThrow(
      expect.objectContaining({ code: 'INFERFLOW_MATRIX_TYPE_MISMATCH' }),
    );
  });
});
