import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Block } from '../block.js';
import { createBlockShape, type SlotSpec } from '../block-shape.js';
import { CellStatus, hasValue } from '../cell-status.js';
import { bytesToText, convertBytes, textToBytes } from '../convert/convert-bytes.js';
import { encodeValue } from '../convert/encode-value.js';
import { DataType, dataTypeInfo, dataTypes, parseDataType } from '../data-type.js';
import { type ColumnRef, columnRef, Layout, NONE, slateRef, sourceOf } from '../layout.js';
import { Matrix } from '../matrix.js';
import { MemoryPool } from '../memory-pool.js';
import { allRows, type RowSet } from '../row-set.js';
import { DefaultedRow } from './defaulted-row.js';
import type { GatherSpec } from './gather-plan.js';
import { compileGather, type GatherProgram } from './gather-program.js';

const numeric = dataTypes.filter((info) => info.elementBytes > 0 && !info.isVector).map((info) => info.dataType);
const v2Types = ['FP16', 'FP32', 'FP64', 'INT8', 'INT16', 'INT32', 'INT64', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'BOOL', 'BYTES'];

function gather(program: GatherProgram, matrix: Matrix, slate: Matrix | null, rows: RowSet, from = 0, to = rows.count): Uint8Array {
  const length = program.byteLength(matrix, slate, rows, from, to);
  const target = new Uint8Array(length + 7).fill(0xee);
  program.write(matrix, slate, rows, from, to, target, 3);
  expect([...target.subarray(0, 3), ...target.subarray(length + 3)]).toEqual(new Array(7).fill(0xee));
  return target.slice(3, length + 3);
}

interface RandomSlot {
  readonly type: DataType;
  /** Elements of a vector; texts for String. */
  readonly elements: number;
  readonly isVariable: boolean;
}
interface RandomBlock {
  readonly slots: readonly RandomSlot[];
  readonly rowCount: number;
  /** Per matrix row; null = by position or broadcast. */
  readonly map: readonly number[] | null;
  readonly seed: number;
  readonly isSlate: boolean;
}

const slot: fc.Arbitrary<RandomSlot> = fc.record({
  type: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...numeric) },
    { weight: 3, arbitrary: fc.constantFrom(...numeric.map((type) => dataTypeInfo(type).vectorType)) },
    { weight: 2, arbitrary: fc.constant(DataType.String) },
  ),
  elements: fc.integer({ min: 1, max: 4 }),
  isVariable: fc.boolean(),
});
const rowCount = 5;
const slateCount = 2;
const block: fc.Arbitrary<RandomBlock> = fc.record({
  slots: fc.array(slot, { minLength: 1, maxLength: 5 }),
  rowCount: fc.constantFrom(1, 3, 5),
  map: fc.option(fc.array(fc.integer({ min: -1, max: 2 }), { minLength: rowCount, maxLength: rowCount })),
  seed: fc.nat(),
  isSlate: fc.boolean(),
});

/** A small generator of its own, so that a block's content follows from one number. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * below);
  };
}

function randomCell(spec: RandomSlot, next: (below: number) => number): Uint8Array {
  const info = dataTypeInfo(spec.type);
  if (spec.type === DataType.String)
    return new TextEncoder().encode(['1', '-2.5', '7e2', 'x', '', 'true', '12345678901234567890'][next(7)] as string);
  const one = () => (info.family === 'bool' ? next(2) : next(3) === 0 ? next(2 ** 31) * 4 - 2 ** 32 : next(300) / 2 - 60);
  return encodeValue(spec.type, info.isVector ? Array.from({ length: spec.elements }, one) : one());
}

function build(pool: MemoryPool, entry: RandomBlock): { readonly block: Block; readonly specs: readonly RandomSlot[] } {
  const next = random(entry.seed);
  const specs: SlotSpec[] = entry.slots.map((spec, index) => {
    const info = dataTypeInfo(spec.type);
    const isVariable = spec.isVariable || info.isText;
    return isVariable
      ? { name: `c${index}`, type: spec.type }
      : { name: `c${index}`, type: spec.type, width: info.elementBytes * (info.isVector ? spec.elements : 1) };
  });
  const rows = entry.isSlate ? slateCount : entry.map === null ? entry.rowCount : 3;
  const made = Block.create(pool, createBlockShape(specs), rows, {
    ...(entry.map === null || entry.isSlate ? {} : { rowMapRows: rowCount }),
    heapBytes: 32,
  });
  if (entry.map !== null && !entry.isSlate)
    entry.map.forEach((row, index) => {
      made.mapRow(index, row);
    });
  for (let row = 0; row < rows; row++) {
    entry.slots.forEach((spec, index) => {
      if (next(6) === 0) {
        made.markCell(row, index, [CellStatus.missing, CellStatus.failed, CellStatus.skipped][next(3)] as CellStatus);
      } else {
        const cell = randomCell(spec, next);
        made.setBytes(row, index, cell, 0, cell.length, CellStatus.fresh);
      }
    });
  }
  return { block: made, specs: entry.slots };
}

/** What the tensor must be, cell by cell, with the single-value converters. Null where a column's width is nobody's to know. */
function naive(
  spec: GatherSpec,
  blocks: ReadonlyMap<ColumnRef, { readonly block: Block; readonly type: DataType; readonly slot: number }>,
  rows: RowSet,
): { readonly bytes: number[]; readonly defaulted: boolean[] } | null {
  const to = parseDataType(spec.v2Type) as DataType;
  const isText = spec.v2Type === 'BYTES';
  const width = dataTypeInfo(to).elementBytes;
  const find = (ref: ColumnRef, position: number): { readonly bytes: Uint8Array; readonly type: DataType } | null => {
    const column = blocks.get(ref);
    if (column === undefined) return null;
    const isSlate = (ref & (1 << 30)) !== 0;
    const matrixRow = isSlate ? (rows.slateOf?.[position] ?? -1) : (rows.rows?.[position] ?? position);
    const row = column.block.blockRowOf(matrixRow);
    if (row < 0 || !hasValue(column.block.status(row, column.slot))) return null;
    const start = column.block.cellStart(row, column.slot);
    return {
      bytes: column.block.cellSource(column.slot).slice(start, start + column.block.cellLength(row, column.slot)),
      type: column.type,
    };
  };
  const value = (source: number, position: number) => {
    const { first, otherwise } = spec.sources[source] as { first: ColumnRef; otherwise: ColumnRef };
    const cell = find(first, position);
    const other = find(otherwise, position);
    return cell === null || (cell.bytes.length === 0 && otherwise !== NONE && blocks.has(otherwise)) ? other : cell;
  };
  const converted = (source: number, position: number): Uint8Array | null => {
    const cell = value(source, position);
    if (cell === null) return null;
    const info = dataTypeInfo(cell.type);
    if (isText) return info.isText ? cell.bytes : new TextEncoder().encode(bytesToText(cell.type, cell.bytes) ?? '');
    if (info.isText && spec.texts?.[source]) return textToBytes(to, new TextDecoder().decode(cell.bytes));
    if (info.elementType === to) return cell.bytes;
    return convertBytes(cell.type, info.isVector ? dataTypeInfo(to).vectorType : to, cell.bytes, spec.compat);
  };
  const elements = spec.sources.map((_, source) => {
    for (let position = 0; position < rows.count; position++) {
      const cell = value(source, position);
      if (cell === null) continue;
      const info = dataTypeInfo(cell.type);
      return info.isVector ? cell.bytes.length / info.elementBytes : 1;
    }
    return null;
  });
  if (!isText && elements.includes(null)) return null;
  const bytes: number[] = [];
  const defaulted: boolean[] = [];
  for (let position = 0; position < rows.count; position++) {
    let any = false;
    spec.sources.forEach((_, source) => {
      const cell = converted(source, position);
      const size = isText ? (cell?.length ?? 0) : (elements[source] as number) * width;
      const fits = cell !== null && cell.length === size;
      if (!fits) any = true;
      if (isText) bytes.push(size & 255, (size >> 8) & 255, 0, 0);
      for (let index = 0; index < size; index++) bytes.push(fits ? (cell[index] as number) : 0);
    });
    defaulted.push(any);
  }
  return { bytes, defaulted };
}

describe('compileGather', () => {
  it('agrees with a naive assembler on random layouts, maps, slates, statuses and types', () => {
    let compared = 0;
    fc.assert(
      fc.property(
        fc.array(block, { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(), fc.nat(), fc.option(fc.tuple(fc.nat(), fc.nat()), { freq: 3 })), { minLength: 1, maxLength: 6 }),
        fc.constantFrom(...v2Types),
        fc.boolean(),
        fc.boolean(),
        (entries, picks, v2Type, isSelection, isRequestText) => {
          const pool = new MemoryPool();
          const target: (Block | null)[] = [];
          const slate: (Block | null)[] = [];
          const columns = new Map<ColumnRef, { block: Block; type: DataType; slot: number }>();
          const refs = entries.map((entry) => {
            const built = build(pool, entry);
            const list = entry.isSlate ? slate : target;
            list.push(built.block);
            return built.specs.map((spec, index) => {
              const ref = entry.isSlate ? slateRef(columnRef(list.length - 1, index)) : columnRef(list.length - 1, index);
              columns.set(ref, { block: built.block, type: spec.type, slot: index });
              return ref;
            });
          });
          const pick = (at: number, index: number) => {
            const list = refs[at % refs.length] as ColumnRef[];
            return list[index % list.length] as ColumnRef;
          };
          const layouts = [target, slate].map((list) => new Layout(list.map((made) => made?.shape ?? null)));
          const matrices = [target, slate].map((list, index) => {
            const matrix = new Matrix(layouts[index] as Layout, index === 0 ? rowCount : slateCount, pool);
            list.forEach((made, at) => {
              if (made !== null) matrix.setBlock(at, made);
            });
            return matrix;
          });
          const rows: RowSet = isSelection
            ? { count: 4, rows: Int32Array.of(4, 0, 4, 2), slateOf: Int32Array.of(0, 0, 1, 1) }
            : { ...allRows(rowCount), slateOf: Int32Array.of(1, 0, 1, 0, 0) };
          const spec: GatherSpec = {
            sources: picks.map(([at, index, other]) => sourceOf(pick(at, index), other === null ? NONE : pick(...other))),
            layout: layouts[0] as Layout,
            slateLayout: layouts[1] as Layout,
            v2Type,
            shape: [-1],
            compat: false,
            // A source with two columns may have one text that was given and one that was fetched: only single ones are told here.
            texts: picks.map(([, , other]) => isRequestText && other === null),
          };
          const expected = naive(spec, columns, rows);
          if (expected === null) return;
          compared++;
          const program = compileGather(spec);
          const [matrix, slateMatrix] = matrices as [Matrix, Matrix];
          const count = program.prepare(matrix, slateMatrix, rows);
          expect([...gather(program, matrix, slateMatrix, rows)]).toEqual(expected.bytes);
          expect([...program.defaultedRows.subarray(0, rows.count)].map((mark) => mark !== 0)).toEqual(expected.defaulted);
          expect(count > 0).toBe(expected.defaulted.includes(true));
          const parts = [gather(program, matrix, slateMatrix, rows, 0, 2), gather(program, matrix, slateMatrix, rows, 2, rows.count)];
          expect(parts.flatMap((part) => [...part])).toEqual(expected.bytes);
        },
      ),
      { numRuns: 1500 },
    );
    expect(compared).toBeGreaterThan(500);
  });

  const pool = new MemoryPool();
  const floats = createBlockShape([1, 2, 3].map((index) => ({ name: `f${index}`, type: DataType.FP32, width: 4 })));

  function matrixOf(...blocks: readonly Block[]): Matrix {
    const matrix = new Matrix(new Layout(blocks.map((made) => made.shape)), 2, pool);
    blocks.forEach((made, index) => {
      matrix.setBlock(index, made);
    });
    return matrix;
  }

  it('is one copy when the tensor row is the block row', () => {
    const made = Block.create(pool, floats, 2, { rowMapRows: 2 });
    for (const row of [0, 1]) {
      made.mapRow(row, row);
      for (const index of [0, 1, 2]) made.setBytes(row, index, encodeValue(DataType.FP32, row * 10 + index), 0, 4, CellStatus.fresh);
    }
    const matrix = matrixOf(made);
    const program = compileGather({
      sources: [0, 1, 2].map((index) => sourceOf(columnRef(0, index))),
      layout: matrix.layout,
      v2Type: 'FP32',
      shape: [3],
      compat: false,
    });
    expect([program.describe(), program.prepare(matrix, null, allRows(2)), program.elementsPerRow()]).toEqual(['copy', 0, 3]);
    expect([...new Float32Array(gather(program, matrix, null, allRows(2)).buffer)]).toEqual([0, 1, 2, 10, 11, 12]);
    made.mapRow(1, 0);
    program.prepare(matrix, null, allRows(2));
    expect([...new Float32Array(gather(program, matrix, null, allRows(2)).buffer)]).toEqual([0, 1, 2, 0, 1, 2]);
  });

  it('is one copy of many rows, too', () => {
    const made = Block.create(pool, floats, 40);
    for (let row = 0; row < 40; row++)
      for (const index of [0, 1, 2]) made.setBytes(row, index, encodeValue(DataType.FP32, row * 3 + index), 0, 4, CellStatus.fresh);
    const matrix = matrixOf(made);
    const program = compileGather({
      sources: [0, 1, 2].map((index) => sourceOf(columnRef(0, index))),
      layout: matrix.layout,
      v2Type: 'FP32',
      shape: [3],
      compat: false,
    });
    program.prepare(matrix, null, allRows(40));
    const values = (from: number, to: number) => [...new Float32Array(gather(program, matrix, null, allRows(40), from, to).buffer)];
    expect(values(0, 40)).toEqual(Array.from({ length: 120 }, (_, index) => index));
    expect(values(7, 9)).toEqual([21, 22, 23, 24, 25, 26]);
  });

  it('writes to one target after the other, to the same again after a run, and to none that is too short', () => {
    const made = Block.create(pool, floats, 2);
    const fill = (first: number) => {
      for (const row of [0, 1])
        for (const index of [0, 1, 2])
          made.setBytes(row, index, encodeValue(DataType.FP32, first + row * 3 + index), 0, 4, CellStatus.fresh);
    };
    const matrix = matrixOf(made);
    const rows = allRows(2);
    for (const [order, isCopy] of [
      [[0, 1, 2], true],
      [[2, 0, 1], false],
    ] as const) {
      const sources = order.map((index) => sourceOf(columnRef(0, index)));
      const program = compileGather({ sources, layout: matrix.layout, v2Type: 'FP32', shape: [3], compat: false });
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
        fill(first);
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
    expect(program.unconvertible).toEqual([]);
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

  it('says in words what it does, and which columns have no conversion', () => {
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
    expect(program.unconvertible).toEqual([4]);
    expect(compileGather({ sources: refs, layout, v2Type: 'BYTES', shape: [5], compat: false }).describe()).toBe('text');
    expect(() => compileGather({ sources: refs, layout, v2Type: 'FLOAT', shape: [5], compat: false })).toThrow(
      expect.objectContaining({ code: 'INFERFLOW_MATRIX_TYPE_MISMATCH' }),
    );
  });
});
