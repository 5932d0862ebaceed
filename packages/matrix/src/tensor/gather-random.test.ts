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
import { gather } from './gather.fixture.js';
import type { GatherSpec } from './gather-plan.js';
import { compileGather } from './gather-program.js';

const numeric = dataTypes.filter((info) => info.elementBytes > 0 && !info.isVector).map((info) => info.dataType);
const v2Types = ['FP16', 'FP32', 'FP64', 'INT8', 'INT16', 'INT32', 'INT64', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'BOOL', 'BYTES'];

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
): { readonly bytes: number[]; readonly defaulted: boolean[]; readonly elements: number } | null {
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
  const wide = isText ? 0 : elements.reduce<number>((sum, each) => sum + (each ?? 0), 0);
  return { bytes, defaulted, elements: wide };
}

describe('compileGather, for random blocks', () => {
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
          // A shape that says how many there are changes nothing, where no column has two places that may be differently wide.
          if (expected.elements === 0 || picks.some(([, , other]) => other !== null)) return;
          const closed = compileGather({ ...spec, shape: [expected.elements] });
          closed.prepare(matrix, slateMatrix, rows);
          expect([closed.misfits, ...gather(closed, matrix, slateMatrix, rows)]).toEqual([false, ...expected.bytes]);
        },
      ),
      { numRuns: 1500 },
    );
    expect(compared).toBeGreaterThan(500);
  });
});
