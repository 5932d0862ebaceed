import { describe, expect, it } from 'vitest';
import { Block } from '../block.js';
import { createBlockShape } from '../block-shape.js';
import { CellStatus } from '../cell-status.js';
import { DataType } from '../data-type.js';
import { MemoryPool } from '../memory-pool.js';
import { scatterFixed, scatterTexts } from './scatter.js';

const pool = new MemoryPool();
const scores = createBlockShape([
  { name: 'score', type: DataType.FP32, width: 4 },
  { name: 'emb', type: DataType.FP32Vector, width: 8 },
]);

describe('scatterFixed', () => {
  it('places rows of a tensor at a block row, whole rows at once', () => {
    const block = Block.create(pool, scores, 3);
    const tensor = new Uint8Array(new Float32Array([9, 1, 2, 3, 4, 5, 6]).buffer);
    scatterFixed(block, [0, 1], [4, 8], tensor, 4, 2, 1, CellStatus.fresh);
    expect([...new Float32Array(block.memory.bytes.slice(0, 36).buffer)]).toEqual([0, 0, 0, 1, 2, 3, 4, 5, 6]);
    expect([block.counts[CellStatus.fresh], block.counts[CellStatus.unwritten]]).toEqual([4, 2]);
  });

  it('places many whole rows, and nothing beside them', () => {
    const block = Block.create(pool, scores, 30);
    const values = Float32Array.from({ length: 60 }, (_, index) => index + 1);
    scatterFixed(block, [0, 1], [4, 8], new Uint8Array(values.buffer), 0, 20, 5, CellStatus.fresh);
    const wanted = new Float32Array(90);
    wanted.set(values, 15);
    expect(new Float32Array(block.memory.bytes.slice(0, 360).buffer)).toEqual(wanted);
    expect([block.counts[CellStatus.fresh], block.counts[CellStatus.unwritten]]).toEqual([40, 20]);
  });

  it('places single slots and leaves the others alone', () => {
    const block = Block.create(pool, scores, 2);
    scatterFixed(block, [1], [8], new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer), 0, 2, 0, CellStatus.fresh);
    expect([...new Float32Array(block.memory.bytes.slice(0, 24).buffer)]).toEqual([0, 1, 2, 0, 3, 4]);
    expect([block.status(0, 0), block.status(0, 1)]).toEqual([CellStatus.unwritten, CellStatus.fresh]);
  });

  it('refuses widths and rows that do not fit', () => {
    const block = Block.create(pool, scores, 2);
    expect(() => scatterFixed(block, [0], [8], new Uint8Array(16), 0, 2, 0, CellStatus.fresh)).toThrow(
      'column "score" holds 4 bytes per row, the tensor brings 8',
    );
    expect(() => scatterFixed(block, [0], [4], new Uint8Array(16), 0, 3, 0, CellStatus.fresh)).toThrow(
      expect.objectContaining({ code: 'INFERFLOW_MATRIX_OUT_OF_RANGE' }),
    );
    expect(() => scatterFixed(block, [0], [4], new Uint8Array(7), 0, 2, 0, CellStatus.fresh)).toThrow(
      expect.objectContaining({ code: 'INFERFLOW_MATRIX_OUT_OF_RANGE' }),
    );
  });
});

describe('scatterTexts', () => {
  const shape = createBlockShape([
    { name: 'a', type: DataType.String },
    { name: 'b', type: DataType.String },
  ]);
  const tensor = Uint8Array.of(9, 1, 0, 0, 0, 65, 0, 0, 0, 0, 2, 0, 0, 0, 66, 67, 1, 0, 0, 0, 68);
  const textOf = (block: Block, row: number, slot: number) => {
    const start = block.cellStart(row, slot);
    return new TextDecoder().decode(block.cellSource(slot).subarray(start, start + block.cellLength(row, slot)));
  };

  it('places length-prefixed elements row by row', () => {
    const block = Block.create(pool, shape, 3, { heapBytes: 2 });
    expect(scatterTexts(block, [0, 1], tensor, 1, tensor.length, 2, 1, CellStatus.fresh)).toBe(true);
    expect([textOf(block, 1, 0), textOf(block, 1, 1), textOf(block, 2, 0), textOf(block, 2, 1)]).toEqual(['A', '', 'BC', 'D']);
    expect(block.status(0, 0)).toBe(CellStatus.unwritten);
  });

  it('fails the rows when lengths and bytes do not agree', () => {
    for (const [end, rows] of [
      [tensor.length - 1, 2],
      [tensor.length, 1],
      [tensor.length, 3],
      [3, 2],
    ] as const) {
      const block = Block.create(pool, shape, 3);
      expect(scatterTexts(block, [0, 1], tensor, 1, end, rows, 0, CellStatus.fresh)).toBe(false);
      expect(block.counts[CellStatus.failed]).toBe(rows * 2);
    }
  });
});
