import { readFileSync } from 'node:fs';
import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it, vi } from 'vitest';
import { RetrieveResultSchema } from '../index.js';
import { WalkScratch, walkFeatureRows } from './feature-answer.js';
import { findFeatureRows } from './feature-answer-head.js';
import { UNSURE, WasmWalk } from './feature-answer-wasm.js';
import { walkModule } from './walk.gen.js';
import { compileWalk, type WalkLayout, type WalkSpec } from './walk-spec.js';

// The walk in TypeScript is the judge: whatever the walk in WebAssembly decides, it decides the same, to the byte.

const statuses = { present: 2, missing: 8, failed: 10 };

/** Small and quick: these tests are about hundreds of thousands of messages. */
function createDice(seed: number): (sides: number) => number {
  let state = seed | 1;
  return (sides) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % sides;
  };
}
type Dice = ReturnType<typeof createDice>;

const widths = [1, 2, 4, 4, 4, 8, 12, 16, 24, 64, 100, 200, 300];

interface Shape {
  readonly layout: WalkLayout;
  readonly spec: WalkSpec;
  /** Per column: width of its cells; −1 = variable, −2 = nobody asked. */
  readonly columns: readonly number[];
}

function anyShape(dice: Dice): Shape {
  const isUniform = dice(4) === 0;
  const columns = Array.from({ length: 1 + dice(12) }, () => {
    if (isUniform) return 4;
    const kind = dice(8);
    return kind === 0 ? -1 : kind === 1 ? -2 : (widths[dice(widths.length)] as number);
  });
  const slots = columns.filter((column) => column !== -2);
  // Slots that no column fills.
  for (let more = dice(3); more > 0; more--) slots.push(8);
  let stride = 0;
  const offsets = slots.map((width) => {
    stride += width < 0 ? 8 : width;
    return stride - (width < 0 ? 8 : width);
  });
  const layout = {
    offsets: Uint32Array.from(offsets),
    widths: Uint32Array.from(slots, (width) => (width < 0 ? 8 : width)),
    isVariable: slots.map((width) => width === -1),
    stride: dice(2) === 0 ? (stride + 7) & ~7 : stride,
  };
  let next = 0;
  const spec = compileWalk(
    layout,
    columns.map((column) => ({ slot: column === -2 ? -1 : next++ })),
    statuses,
  );
  return { layout, spec, columns };
}

function anyAnswer({ columns }: Shape, dice: Dice, odd: number): { readonly message: Uint8Array; readonly rowCount: number } {
  const rowCount = dice(12);
  const seed = dice(256);
  const cell = (column: number, at: number) => {
    const form = dice(100);
    let width = column >= 0 ? column : dice(20);
    if (form < odd) width = form % 3 === 0 ? 0 : dice(140);
    return Uint8Array.from({ length: width }, (_, index) => seed + at * 7 + index);
  };
  const message = toBinary(
    RetrieveResultSchema,
    create(RetrieveResultSchema, {
      entityLabel: 'e',
      keysSchema: ['id'],
      rows: Array.from({ length: rowCount }, (_, row) => ({
        keys: Array.from({ length: dice(8) === 0 ? dice(3) : 1 }, () => `key-${row}`.padEnd(dice(9) === 0 ? 150 : 1)),
        columns: columns.slice(0, dice(100) < odd ? dice(columns.length + 1) : columns.length).map(cell),
      })),
    }),
  );
  return { message, rowCount };
}

/** What a walk left, as far as somebody may read it. */
function left(scratch: WalkScratch, spec: WalkSpec, rows: number) {
  return {
    status: Buffer.from(scratch.status.subarray(0, rows * spec.slotCount)).toString('hex'),
    // Bytes between and behind the slots are nobody's.
    cells: Array.from({ length: rows }, (_, row) =>
      Array.from({ length: spec.columnCount }, (_column, column) => {
        if (spec.kinds[column] === 0) return '';
        const at = row * spec.stride + (spec.offsets[column] as number);
        return Buffer.from(scratch.rows.subarray(at, at + (spec.widths[column] as number))).toString('hex');
      }),
    ),
    absent: Array.from({ length: rows }, (_, row) =>
      Array.from(spec.absentSlots, (_slot, index) => {
        const at = row * spec.stride + (spec.absentCells[index * 2] as number);
        return Buffer.from(scratch.rows.subarray(at, at + (spec.absentCells[index * 2 + 1] as number))).toString('hex');
      }),
    ),
    firstWord: rows > 0 && spec.stride >= 4 ? [scratch.words[0], scratch.view.getInt32(0, true)] : null,
    keys: [...scratch.keys.subarray(0, rows * 2)],
    odd: [...scratch.oddCells.subarray(0, scratch.oddCount * 4)],
    oddCount: scratch.oddCount,
    withoutValue: scratch.withoutValue,
    hasLateHead: scratch.hasLateHead,
  };
}

const wasm = WasmWalk.create();
if (wasm === null) throw new Error('this platform has no WebAssembly with SIMD');
const plain = new WalkScratch();
const quick = new WalkScratch(wasm);

/** Walks both ways; true if WebAssembly decided. */
function compare(message: Uint8Array, start: number, end: number, spec: WalkSpec, rowLimit: number): boolean {
  const expected = walkFeatureRows(message, start, end, spec, rowLimit, plain);
  const direct = (wasm as WasmWalk).walk(message, start, end, spec, rowLimit, quick);
  const rows = walkFeatureRows(message, start, end, spec, rowLimit, quick);
  const hex = () => Buffer.from(message.subarray(start, end)).toString('hex');
  if (rows !== expected || (direct !== UNSURE && direct !== expected)) throw new Error(`${rows} rows, expected ${expected}: ${hex()}`);
  if (rows < 0) return direct !== UNSURE;
  const found = JSON.stringify(left(quick, spec, rows));
  const wanted = JSON.stringify(left(plain, spec, rows));
  if (found !== wanted) throw new Error(`${found}\nexpected ${wanted}\nof ${hex()}`);
  return direct !== UNSURE;
}

describe('the walk in WebAssembly', () => {
  it('leaves what the walk in TypeScript leaves, for answers of all shapes', () => {
    const dice = createDice(4711);
    let decided = 0;
    for (let round = 0; round < 4_000; round++) {
      const shape = anyShape(dice);
      const { message, rowCount } = anyAnswer(shape, dice, round % 2 === 0 ? 0 : 15);
      const start = findFeatureRows(message, 0, message.length);
      if (compare(message, start, message.length, shape.spec, rowCount)) decided++;
      // One row too many is told, surroundings do not matter.
      if (rowCount > 0) compare(message, start, message.length, shape.spec, rowCount - 1);
      const padded = new Uint8Array(message.length + 40).fill(0x22);
      padded.set(message, 20);
      compare(padded, 20 + start, 20 + message.length, shape.spec, rowCount);
    }
    // It is not there to leave the work to the other.
    expect(decided).toBeGreaterThan(3_900);
  });

  it('reaches the same verdict on damaged answers, and looks at nothing outside', () => {
    const dice = createDice(815);
    const likely = [0, 0x0a, 0x12, 0x22, 0x7f, 0x80, 0xff, 4];
    for (let round = 0; round < 100; round++) {
      const shape = anyShape(dice);
      const { message, rowCount } = anyAnswer(shape, dice, 10);
      const start = findFeatureRows(message, 0, message.length);
      for (let damage = 0; damage < 300; damage++) {
        const copy = message.slice(0, dice(3) === 0 ? start + dice(message.length - start + 1) : message.length);
        for (let change = dice(4); change > 0 && copy.length > start; change--)
          copy[start + dice(copy.length - start)] = dice(2) === 0 ? dice(256) : (likely[dice(likely.length)] as number);
        compare(copy, start, copy.length, shape.spec, rowCount + 1);
      }
    }
  });

  it('goes on after answers of any size, and leaves those that are too large to TypeScript', () => {
    const layout = { offsets: Uint32Array.of(0), widths: Uint32Array.of(100), isVariable: [false], stride: 100 };
    const spec = compileWalk(layout, [{ slot: 0 }], statuses);
    for (const rows of [1, 3_000, 2, 400_000, 5, 20_000]) {
      const row = [0x22, 102, 0x12, 100, ...Array.from({ length: 100 }, (_, index) => index)];
      const message = new Uint8Array(rows * row.length);
      for (let at = 0; at < message.length; at += row.length) message.set(row, at);
      expect(walkFeatureRows(message, 0, message.length, spec, rows, quick)).toBe(rows);
      expect([...quick.rows.subarray((rows - 1) * 100, rows * 100)]).toEqual(row.slice(4));
      expect(wasm.walk(message, 0, message.length, spec, rows, quick) === UNSURE).toBe(rows === 400_000);
    }
  });

  it('leaves answers to TypeScript while its memory cannot grow', () => {
    const layout = { offsets: Uint32Array.of(0), widths: Uint32Array.of(100), isVariable: [false], stride: 100 };
    const spec = compileWalk(layout, [{ slot: 0 }], statuses);
    const row = Uint8Array.from([0x22, 102, 0x12, 100, ...Array.from({ length: 100 }, (_, index) => index)]);
    const message = Uint8Array.from({ length: 3_000 * row.length }, (_, at) => row[at % row.length] as number);
    const fresh = WasmWalk.create() as WasmWalk;
    const scratch = new WalkScratch(fresh);
    expect(walkFeatureRows(row, 0, row.length, spec, 1, scratch)).toBe(1);
    const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: { prototype: { grow(pages: number): number } } } }).WebAssembly;
    const grow = vi.spyOn(Memory.prototype, 'grow').mockImplementation(() => {
      throw new RangeError('WebAssembly.Memory.grow(): Unable to grow instance memory');
    });
    expect(walkFeatureRows(message, 0, message.length, spec, 3_000, scratch)).toBe(3_000);
    expect([...scratch.rows.subarray(2_999 * 100, 3_000 * 100)]).toEqual([...row.subarray(4)]);
    expect(fresh.walk(row, 0, row.length, spec, 1, scratch)).toBe(1);
    grow.mockRestore();
    expect(fresh.walk(message, 0, message.length, spec, 3_000, scratch)).toBe(3_000);
  });

  it('leaves hundreds of odd cells to TypeScript, which notes them all', () => {
    const { layout } = { layout: { offsets: Uint32Array.of(0), widths: Uint32Array.of(4), isVariable: [false], stride: 4 } };
    const spec = compileWalk(layout, [{ slot: 0 }], statuses);
    const message = Uint8Array.from(Array.from({ length: 1_000 }, () => [0x22, 3, 0x12, 1, 9]).flat());
    expect(walkFeatureRows(message, 0, message.length, spec, 1_000, quick)).toBe(1_000);
    expect([quick.oddCount, quick.withoutValue]).toEqual([1_000, 1_000]);
    expect(compare(message, 0, message.length, spec, 1_000)).toBe(false);
  });

  it('leaves them also when its memory has just grown away from under what it left before', () => {
    const grower = WasmWalk.create();
    const scratch = new WalkScratch(grower);
    const layout = { offsets: Uint32Array.of(0), widths: Uint32Array.of(4), isVariable: [false], stride: 4 };
    const spec = compileWalk(layout, [{ slot: 0 }], statuses);
    const rowsOf = (count: number, width: number) =>
      Uint8Array.from(Array.from({ length: count }, () => [0x22, width + 2, 0x12, width, ...Array(width).fill(9)]).flat());
    for (const [count, width, odd] of [
      [10, 4, 0],
      [3_000, 60, 3_000],
      [300, 8, 300],
      [10, 4, 0],
      [10, 8, 10],
    ] as const) {
      const message = rowsOf(count, width);
      expect(walkFeatureRows(message, 0, message.length, spec, count, scratch)).toBe(count);
      expect([scratch.oddCount, scratch.oddCells.length >= odd * 4]).toEqual([odd, true]);
    }
  });

  it('does not begin where two columns go to one slot', () => {
    const layout = { offsets: Uint32Array.of(0), widths: Uint32Array.of(4), isVariable: [false], stride: 4 };
    const spec = compileWalk(layout, [{ slot: 0 }, { slot: 0 }], statuses);
    expect(spec.table).toBeNull();
    expect(wasm.walk(Uint8Array.of(0x22, 0), 0, 2, spec, 1, quick)).toBe(UNSURE);
  });

  it('is assembled from the source beside it', async () => {
    const { assembleWalk } = (await import('../../../../scripts/gen-walk.mjs' as string)) as {
      readonly assembleWalk: (source: string) => Promise<string>;
    };
    const source = readFileSync(new URL('walk.wat', import.meta.url), 'utf8');
    expect(await assembleWalk(source)).toBe(readFileSync(new URL('walk.gen.ts', import.meta.url), 'utf8'));
    expect(Buffer.from(walkModule, 'base64').length).toBeLessThan(2_000);
  });
});
