import { Block, createBlockShape, DataType, MemoryPool } from '@inferflow/matrix';
import { InferAnswer, RawScratch } from '@inferflow/proto/hot';
import { describe, expect, it, vi } from 'vitest';
import { OutputReader } from './output-reader.js';
import { answerOf, configOf, output } from './predator-component.fixture.js';

const rows = 300_000;
const config = configOf({ outputs: [output({ dataType: 'INT64' })] });
const decode = (message: Uint8Array): InferAnswer => {
  const answer = new InferAnswer();
  expect(answer.read(message, 0, message.length)).toBe(true);
  return answer;
};
const int64s = (count: number, values: readonly bigint[]) =>
  answerOf([{ name: 'o', datatype: 'INT64', shape: [count, 1], contents: { int64Contents: values } }]);

/** All scratch memory that was used since. */
function watchScratch(): { readonly bytes: () => number[]; readonly restore: () => void } {
  const spy = vi.spyOn(RawScratch.prototype, 'reserve');
  return {
    bytes: () => [...new Set(spy.mock.contexts as RawScratch[])].map((scratch) => scratch.bytes.length),
    restore: () => spy.mockRestore(),
  };
}

describe('OutputReader', () => {
  it('refuses typed contents of more elements than the shape says without expanding them', () => {
    const message = int64s(5, new Array<bigint>(rows).fill(1n));
    const reader = new OutputReader(config);
    const scratch = watchScratch();
    expect(reader.open(0, message, decode(message))).toBe(false);
    expect(reader.problem).toBe('output "o" has no contents that fit its shape');
    expect(scratch.bytes()).toEqual([1024]);
    scratch.restore();
  });

  it('places large typed contents, and lets go of their memory at the end of the turn', async () => {
    const message = int64s(
      rows,
      Array.from({ length: rows }, (_, row) => BigInt(row)),
    );
    const reader = new OutputReader(config);
    const shape = createBlockShape([{ name: 's', type: DataType.Int64, width: 8 }]);
    const block = Block.create(new MemoryPool(), shape, rows);
    const scratch = watchScratch();
    expect(reader.open(0, message, decode(message))).toBe(true);
    reader.place(block, [0], [8], 0, rows, 0);
    expect([0, 1, rows - 1].map((row) => block.memory.view.getBigInt64(row * 8, true))).toEqual([0n, 1n, BigInt(rows - 1)]);
    expect(scratch.bytes()[0]).toBeGreaterThanOrEqual(rows * 8);
    await null;
    expect(scratch.bytes()).toEqual([1024]);
    // The next answer is read as ever.
    const small = int64s(2, [7n, -8n]);
    expect(reader.open(0, small, decode(small))).toBe(true);
    reader.place(block, [0], [8], 0, 2, 0);
    expect([0, 1, 2].map((row) => block.memory.view.getBigInt64(row * 8, true))).toEqual([7n, -8n, 2n]);
    scratch.restore();
  });
});
