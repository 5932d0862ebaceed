import { DataType } from '@inferflow/matrix';
import { describe, expect, it } from 'vitest';
import { planBlock } from './plan-blocks.js';

const fp32 = (name: string) => ({ name, type: DataType.FP32, width: 4 });

describe('planBlock', () => {
  it('puts the columns of the largest matching tensor first, in its order', () => {
    const { shape, slotOf } = planBlock(
      [fp32('a'), { name: 'n', type: DataType.Int64, width: 8 }, fp32('b'), { name: 't', type: DataType.String }, fp32('c')],
      [
        { columns: ['n'], type: 'INT64' },
        { columns: ['c', 'n', 'a', 'x', 'b', 'a'], type: 'FP32' },
      ],
    );
    expect(shape.slots.map(({ name }) => name)).toEqual(['c', 'a', 'b', 'n', 't']);
    expect(slotOf).toEqual([1, 3, 2, 4, 0]);
    expect([...shape.offsets]).toEqual([0, 4, 8, 12, 20]);
  });

  it('gives vectors of unknown length their place in that order', () => {
    const { shape } = planBlock(
      [fp32('a'), { name: 'v', type: DataType.FP32Vector }, { name: 't', type: DataType.String }, fp32('b'), fp32('c')],
      [
        { columns: ['b', 'v', 'c'], type: 'FP32' },
        { columns: ['a', 'b', 'c'], type: 'FP32' },
        { columns: ['t'], type: 'BYTES' },
      ],
    );
    expect(shape.slots.map(({ name }) => name)).toEqual(['b', 'v', 'c', 'a', 't']);
    expect([...shape.offsets]).toEqual([0, 4, 12, 16, 20]);
  });

  it('without a reader: wide columns first, variable ones last', () => {
    const { shape } = planBlock(
      [{ name: 't', type: DataType.String }, fp32('a'), { name: 'n', type: DataType.Int64, width: 8 }, fp32('b')],
      [],
    );
    expect(shape.slots.map(({ name }) => name)).toEqual(['n', 'a', 'b', 't']);
  });

  it('does not count columns that would have to be converted', () => {
    const { shape } = planBlock(
      [fp32('a'), fp32('b')],
      [
        { columns: ['b', 'a'], type: 'FP16' },
        { columns: ['a'], type: 'FP32' },
      ],
    );
    expect(shape.slots.map(({ name }) => name)).toEqual(['a', 'b']);
  });
});
