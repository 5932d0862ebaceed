import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Block } from './block.js';
import { createBlockShape, inlineVectors, type SlotSpec } from './block-shape.js';
import { CellStatus, cellStatusName, hasValue } from './cell-status.js';
import { DataType } from './data-type.js';
import { MatrixError } from './errors.js';
import { MemoryPool } from './memory-pool.js';

const slots: readonly SlotSpec[] = [
  { name: 'price', type: DataType.FP32, width: 4 },
  { name: 'brand', type: DataType.String },
  { name: 'flag', type: DataType.Bool, width: 1 },
  { name: 'emb', type: DataType.FP32Vector },
  { name: 'id', type: DataType.Int64, width: 8 },
];
const shape = createBlockShape(slots);
const statuses = Object.values(CellStatus);

type Step =
  | { readonly kind: 'set'; readonly row: number; readonly slot: number; readonly bytes: Uint8Array; readonly status: CellStatus }
  | { readonly kind: 'cell'; readonly row: number; readonly slot: number; readonly status: CellStatus }
  | { readonly kind: 'rows'; readonly from: number; readonly count: number; readonly status: CellStatus };

interface NaiveCell {
  bytes: number[];
  status: CellStatus;
}

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('set' as const),
    row: fc.nat(6),
    slot: fc.nat(slots.length - 1),
    bytes: fc.oneof(fc.uint8Array({ maxLength: 9 }), fc.uint8Array({ minLength: 900, maxLength: 2000 })),
    status: fc.constantFrom(...statuses),
  }),
  fc.record({ kind: fc.constant('cell' as const), row: fc.nat(6), slot: fc.nat(slots.length - 1), status: fc.constantFrom(...statuses) }),
  fc.record({ kind: fc.constant('rows' as const), from: fc.nat(6), count: fc.nat(7), status: fc.constantFrom(...statuses) }),
);

function naiveCell(slot: number): NaiveCell {
  return { bytes: new Array<number>(slots[slot]?.width ?? 0).fill(0), status: CellStatus.unwritten };
}

/** Applies a step to a plain model of the block; the block itself is told the same. */
function apply(action: Step, model: Map<string, NaiveCell>, block: Block, rowCount: number): void {
  if (action.kind === 'rows') {
    const from = Math.min(action.from, rowCount);
    const to = Math.min(rowCount, from + action.count);
    block.markRows(from, to, action.status);
    for (let row = from; row < to; row++) {
      for (let slot = 0; slot < slots.length; slot++) {
        const cell = model.get(`${row}/${slot}`) as NaiveCell;
        cell.status = action.status;
        if (!hasValue(action.status)) cell.bytes = naiveCell(slot).bytes;
      }
    }
    return;
  }
  const row = action.row % rowCount;
  const cell = model.get(`${row}/${action.slot}`) as NaiveCell;
  if (action.kind === 'cell') {
    block.markCell(row, action.slot, action.status);
    cell.status = action.status;
    if (!hasValue(action.status)) cell.bytes = naiveCell(action.slot).bytes;
    return;
  }
  const width = slots[action.slot]?.width;
  const fits = !hasValue(action.status) || width === undefined || width === action.bytes.length;
  expect(block.setBytes(row, action.slot, action.bytes, 0, action.bytes.length, action.status)).toBe(fits);
  cell.status = fits ? action.status : CellStatus.failed;
  cell.bytes = fits && hasValue(action.status) ? [...action.bytes] : naiveCell(action.slot).bytes;
}

describe('Block', () => {
  it('agrees with a naive map of cells after any sequence of writes and marks', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), fc.array(step, { maxLength: 60 }), (rowCount, steps) => {
        const pool = new MemoryPool();
        const block = Block.create(pool, shape, rowCount, { heapBytes: 16 });
        const model = new Map<string, NaiveCell>();
        for (let row = 0; row < rowCount; row++)
          for (let slot = 0; slot < slots.length; slot++) model.set(`${row}/${slot}`, naiveCell(slot));
        for (const action of steps) apply(action, model, block, rowCount);
        const counts = new Array<number>(16).fill(0);
        for (const [key, cell] of model) {
          const [row, slot] = key.split('/').map(Number) as [number, number];
          const start = block.cellStart(row, slot);
          expect([...block.cellSource(slot).subarray(start, start + block.cellLength(row, slot))]).toEqual(cell.bytes);
          expect(block.status(row, slot)).toBe(cell.status);
          counts[cell.status] = (counts[cell.status] as number) + 1;
        }
        expect([...block.counts]).toEqual(counts);
        expect(block.withoutValue).toBe([...model.values()].filter((cell) => !hasValue(cell.status)).length);
        block.release(pool);
        expect(pool.outstanding).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('keeps every cell, status, count and row when vectors leave the row for the heap', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), fc.array(step, { maxLength: 40 }), (rowCount, steps) => {
        const pool = new MemoryPool();
        const inline = inlineVectors(shape, () => 8);
        const block = Block.create(pool, inline, rowCount, { heapBytes: 0, rowMapRows: 3 });
        block.mapRow(1, rowCount - 1);
        for (const action of steps) {
          if (action.kind === 'rows')
            block.markRows(Math.min(action.from, rowCount), Math.min(rowCount, action.from + action.count), action.status);
          else if (action.kind === 'cell') block.markCell(action.row % rowCount, action.slot, action.status);
          else {
            const width = inline.slots[action.slot]?.isVariable === true ? action.bytes.length : (inline.widths[action.slot] as number);
            const bytes = new Uint8Array(width).fill(action.bytes[0] ?? 7);
            block.setBytes(action.row % rowCount, action.slot, bytes, 0, width, action.status);
          }
        }
        const read = () =>
          Array.from({ length: rowCount * slots.length }, (_, cell) => {
            const [row, slot] = [Math.floor(cell / slots.length), cell % slots.length];
            const start = block.cellStart(row, slot);
            const status = block.status(row, slot);
            return [status, ...(hasValue(status) ? block.cellSource(slot).subarray(start, start + block.cellLength(row, slot)) : [])];
          });
        const [before, counts, withoutValue] = [read(), [...block.counts], block.withoutValue];
        block.reshape(shape);
        expect(block.shape).toBe(shape);
        expect(read()).toEqual(before);
        expect([[...block.counts], block.withoutValue]).toEqual([counts, withoutValue]);
        expect([0, 1, 2].map((row) => block.blockRowOf(row))).toEqual([-1, rowCount - 1, -1]);
        expect(block.memory.bytes.subarray(rowCount * shape.stride, block.statusAt).every((byte) => byte === 0)).toBe(true);
        expect(block.setBytes(0, 3, new Uint8Array(500), 0, 500, CellStatus.fresh)).toBe(true);
        block.release(pool);
        expect(pool.outstanding).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('does not turn to other slots, nor variable cells to fixed ones', () => {
    const pool = new MemoryPool();
    const block = Block.create(pool, shape, 2);
    for (const other of [inlineVectors(shape, () => 8), createBlockShape(slots.slice(1)), createBlockShape([...slots].reverse())]) {
      expect(() => block.reshape(other)).toThrow(expect.objectContaining({ code: 'INFERFLOW_MATRIX_TYPE_MISMATCH' }));
    }
  });

  it('maps matrix rows to block rows by map, by position, or to the only row', () => {
    const pool = new MemoryPool();
    const mapped = Block.create(pool, shape, 2, { rowMapRows: 4 });
    mapped.mapRow(0, 1);
    mapped.mapRow(2, 0);
    expect([0, 1, 2, 3, 4, -1].map((row) => mapped.blockRowOf(row))).toEqual([1, -1, 0, -1, -1, -1]);
    expect([0, 1, 2].map((row) => Block.create(pool, shape, 2).blockRowOf(row))).toEqual([0, 1, -1]);
    expect([0, 7].map((row) => Block.create(pool, shape, 1).blockRowOf(row))).toEqual([0, 0]);
  });

  it('points cells into a message that it does not own', () => {
    const pool = new MemoryPool();
    const message = new TextEncoder().encode('..user-7..');
    const block = Block.create(pool, shape, 1, { externalHeap: message });
    block.setRange(0, 1, 2, 6, CellStatus.provided);
    expect(block.cellSource(1)).toBe(message);
    expect([block.cellStart(0, 1), block.cellLength(0, 1)]).toEqual([2, 6]);
    expect(() => block.setRange(0, 1, 8, 6, CellStatus.provided)).toThrow(
      expect.objectContaining({ code: 'INFERFLOW_MATRIX_OUT_OF_RANGE' }),
    );
    expect(() => block.setBytes(0, 1, message, 0, 2, CellStatus.provided)).toThrow(MatrixError);
    expect(() => block.setRange(0, 0, 0, 4, CellStatus.provided)).toThrow(
      expect.objectContaining({ code: 'INFERFLOW_MATRIX_TYPE_MISMATCH' }),
    );
  });

  it('gives a message that it owns back with its own memory, once, and abandons it with that', () => {
    const pool = new MemoryPool();
    const open = (block = new Block()) => {
      const heapMemory = pool.acquire(10);
      heapMemory.bytes.set(new TextEncoder().encode('..user-7..'));
      return block.open(pool, shape, 1, { externalHeap: heapMemory.bytes.subarray(0, 10), heapMemory });
    };
    const block = open();
    block.setRange(0, 1, 2, 6, CellStatus.provided);
    expect([block.heap.length, block.cellLength(0, 1), pool.outstanding]).toEqual([10, 6, 2]);
    block.release(pool);
    expect([pool.outstanding, pool.idleBytes]).toEqual([0, 8192]);
    // Its next life has no message.
    block.open(pool, shape, 1);
    block.release(pool);
    expect([pool.outstanding, pool.strayReleases]).toEqual([0, 0]);
    const left = open(block);
    left.abandon();
    left.abandon();
    expect([pool.outstanding, pool.abandoned, left.heap[2]]).toEqual([0, 2, 'u'.charCodeAt(0)]);
    left.release(pool);
    expect([pool.outstanding, pool.idleBytes, pool.strayReleases]).toEqual([0, 0, 0]);
  });

  it('shows nothing of what reused memory held before', () => {
    const pool = new MemoryPool();
    const first = Block.create(pool, shape, 3);
    first.memory.bytes.fill(0xaa);
    first.release(pool);
    const second = Block.create(pool, shape, 3);
    expect(pool.created).toBe(1);
    for (let row = 0; row < 3; row++)
      for (let slot = 0; slot < slots.length; slot++) expect(second.cellLength(row, slot)).toBe(slots[slot]?.width ?? 0);
    expect(second.memory.bytes.subarray(0, 4 * shape.stride).every((byte) => byte === 0)).toBe(true);
  });

  it('refuses rows and slots outside, a second release, and a second opening', () => {
    const pool = new MemoryPool();
    const block = Block.create(pool, shape, 2);
    expect(() => block.markCell(2, 0, CellStatus.fresh)).toThrow(MatrixError);
    expect(() => block.markCell(0, 5, CellStatus.fresh)).toThrow(MatrixError);
    expect(() => block.markRows(0, 3, CellStatus.fresh)).toThrow(MatrixError);
    expect(() => block.markRows(Number.NaN, 1, CellStatus.fresh)).toThrow(MatrixError);
    expect(() => block.open(pool, shape, 1)).toThrow(MatrixError);
    block.release(pool);
    expect(() => block.release(pool)).toThrow(expect.objectContaining({ code: 'INFERFLOW_MATRIX_RELEASED' }));
    expect(block.open(pool, shape, 1).rowCount).toBe(1);
  });
});

describe('a row that is none', () => {
  it.each([
    ['half of one', 0.5, '0.5'],
    ['no number', Number.NaN, 'NaN'],
    ['nothing', undefined, 'undefined'],
    ['text', '1', 'string'],
  ])('is refused, and leaves the other rows alone: %s', (_, row, found) => {
    const pool = new MemoryPool();
    const block = Block.create(pool, createBlockShape([slots[1] as SlotSpec, slots[0] as SlotSpec]), 2);
    const text = new TextEncoder().encode('a');
    for (let each = 0; each < 2; each++) {
      block.setBytes(each, 0, text, 0, 1, CellStatus.fresh);
      block.setBytes(each, 1, new Uint8Array(4).fill(7), 0, 4, CellStatus.fresh);
    }
    const before = block.memory.bytes.slice();
    for (const [slot, length] of [
      [0, 1],
      [1, 4],
    ] as const) {
      expect(() => block.setBytes(row as number, slot, new Uint8Array(8).fill(9), 0, length, CellStatus.fresh)).toThrow(
        `a row is a whole number, 0 to 1; found ${found}`,
      );
    }
    expect(block.memory.bytes).toEqual(before);
    block.release(pool);
  });
});

describe('createBlockShape', () => {
  it('gives the same object for the same slots, and packs them in order', () => {
    expect(createBlockShape(slots.map((slot) => ({ ...slot })))).toBe(shape);
    expect([...shape.offsets]).toEqual([0, 4, 12, 13, 21]);
    expect([shape.stride, shape.isWordAligned]).toEqual([29, false]);
    expect(createBlockShape([{ name: 'a', type: DataType.FP64, width: 8 }]).isWordAligned).toBe(true);
  });

  it('tells layouts apart by name, type, width and order', () => {
    const hashes = new Set(
      [
        [{ name: 'a', type: DataType.FP32, width: 4 }],
        [{ name: 'b', type: DataType.FP32, width: 4 }],
        [{ name: 'a', type: DataType.Int32, width: 4 }],
        [{ name: 'a', type: DataType.FP32 }],
        [{ name: 'a', type: DataType.FP32Vector, width: 4 }],
        [{ name: 'a', type: DataType.FP32Vector, width: 8 }],
        [...slots],
        [...slots].reverse(),
      ].map((specs) => createBlockShape(specs).contentHash),
    );
    expect(hashes.size).toBe(8);
    expect([...hashes].every((hash) => /^[0-9a-f]{32}$/.test(hash))).toBe(true);
  });

  it('refuses a width that does not fit the type', () => {
    expect(() => createBlockShape([{ name: 'price', type: DataType.FP32, width: 2 }])).toThrow(
      'column "price" is DataTypeFP32: its width must be 4 bytes, not 2',
    );
    expect(() => createBlockShape([{ name: 'emb', type: DataType.FP32Vector, width: 6 }])).toThrow(MatrixError);
  });
});

describe('MemoryPool', () => {
  it('reuses memory by size class and counts what is out', () => {
    const pool = new MemoryPool();
    const small = pool.acquire(100);
    const large = pool.acquire(5000);
    expect([small.bytes.length, large.bytes.length, pool.outstanding, pool.outstandingBytes]).toEqual([4096, 8192, 2, 12288]);
    pool.release(large);
    pool.release(small);
    expect([pool.outstanding, pool.idleBytes]).toEqual([0, 12288]);
    expect(pool.acquire(4097)).toBe(large);
    expect(pool.idleBytes).toBe(4096);
  });

  it('lets go of memory that may still be written to, without ever reusing it', () => {
    const pool = new MemoryPool();
    const block = Block.create(pool, createBlockShape([{ name: 'text', type: DataType.String }]), 1);
    const { memory } = block;
    block.abandon();
    expect([pool.outstanding, pool.outstandingBytes, pool.abandoned, pool.abandonedBytes]).toEqual([0, 0, 1, 4096]);
    expect(pool.acquire(1)).not.toBe(memory);
    // A late writer goes on undisturbed, even beyond the room it had, and an old holder may release.
    block.setBytes(0, 0, new Uint8Array(9000), 0, 9000, CellStatus.fresh);
    expect(block.cellLength(0, 0)).toBe(9000);
    block.release(pool);
    pool.release(memory);
    expect([pool.outstanding, pool.abandoned, pool.strayReleases, pool.idleBytes]).toEqual([1, 1, 0, 0]);
  });

  it('lets go of what a burst left, and keeps what is used', () => {
    const pool = new MemoryPool();
    const burst = Array.from({ length: 1000 }, () => pool.acquire(10_000));
    for (const piece of burst) pool.release(piece);
    expect(pool.idleBytes).toBe(1000 * 16_384);
    const use = (times: number) => {
      for (let time = 0; time < times; time++) {
        const pieces = Array.from({ length: 8 }, () => pool.acquire(10_000));
        for (const piece of pieces) pool.release(piece);
      }
    };
    use(60_000);
    expect(pool.idleBytes).toBeLessThan(700 * 16_384);
    use(1_000_000);
    expect(pool.idleBytes).toBeGreaterThanOrEqual(8 * 16_384);
    expect(pool.idleBytes).toBeLessThanOrEqual(9 * 16_384);
    expect(pool.created).toBe(1000);
  });

  it('makes room in a full pool for sizes that there is less of', () => {
    const pool = new MemoryPool({ maxIdleBytes: 64 * 4096 });
    for (const piece of Array.from({ length: 100 }, () => pool.acquire(1))) pool.release(piece);
    expect(pool.idleBytes).toBe(64 * 4096);
    const large = pool.acquire(40_000);
    pool.release(large);
    expect(pool.idleBytes).toBe(64 * 4096);
    expect(pool.acquire(40_000)).toBe(large);
    pool.release(large);
    // Larger than all that may be idle: not kept, and nothing goes for it.
    pool.release(pool.acquire(1 << 20));
    expect(pool.idleBytes).toBe(64 * 4096);
    expect(pool.strayReleases).toBe(0);
  });

  it('stays within its bound and never hands out the same memory twice', () => {
    const pool = new MemoryPool({ maxIdleBytes: 8192 });
    const pieces = Array.from({ length: 5 }, () => pool.acquire(4096));
    for (const piece of pieces) pool.release(piece);
    expect(pool.idleBytes).toBe(8192);
    pool.release(pieces[0] as (typeof pieces)[0]);
    expect(pool.strayReleases).toBe(1);
    expect(pool.acquire(1)).not.toBe(pool.acquire(1));
    const huge = pool.acquire(5_000_001);
    expect(huge.bytes.length).toBeGreaterThanOrEqual(5_000_001);
    pool.release(huge);
    expect(pool.idleBytes).toBe(0);
  });
});

describe('cell status', () => {
  it('says by its number whether there is a value', () => {
    expect(statuses.filter(hasValue).map(cellStatusName)).toEqual(['provided', 'fresh', 'cached', 'stale', 'defaulted']);
    expect(cellStatusName(7)).toBe('unknown');
  });
});

describe('inlineVectors', () => {
  it('gives vectors the widths that are known, and leaves texts and all other slots', () => {
    const inline = inlineVectors(shape, () => 12);
    expect(inline.slots.map(({ name, isVariable }) => [name, isVariable])).toEqual([
      ['price', false],
      ['brand', true],
      ['flag', false],
      ['emb', false],
      ['id', false],
    ]);
    expect([...inline.widths]).toEqual([4, 8, 1, 12, 8]);
    expect(inlineVectors(shape, () => 0)).toBe(shape);
    expect(() => inlineVectors(shape, () => 6)).toThrow(expect.objectContaining({ code: 'INFERFLOW_MATRIX_LENGTH_MISMATCH' }));
  });
});
