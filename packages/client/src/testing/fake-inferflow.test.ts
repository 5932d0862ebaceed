import { describe, expect, it } from 'vitest';
import { createInferflowClient } from '../client.js';
import { createFakeInferflow } from './fake-inferflow.js';

describe('createFakeInferflow', () => {
  const transport = createFakeInferflow({
    columns: { score: 'FP32', key: 'String' },
    score: (row) => ({ score: row.ids.length, key: row.ids.join('+'), error: row.features['bad'] === undefined ? '' : 'bad' }),
  });
  const client = createInferflowClient({ transport });
  const request = { modelConfigId: 'm', targets: [{ id: 'a' }, { id: 'b', features: { bad: true } }] };

  it('answers all three calls', async () => {
    const points = await client.inferPointWise(request);
    expect(points.targets.map((target) => target.values)).toEqual([
      { score: 1, key: 'a' },
      { score: 1, key: 'b' },
    ]);
    expect(points.faults).toEqual([{ scope: 'target', index: 1, error: 'bad' }]);
    const pairs = await client.inferPairWise({ ...request, pairs: [{ first: 1, second: 0 }] });
    expect(pairs.pairs[0]!.values).toEqual({ score: 2, key: 'b+a' });
    const slates = await client.inferSlateWise({ ...request, slates: [{ targetIndices: [0, 1, 0] }] });
    expect(slates.slates[0]!.values).toEqual({ score: 3, key: 'a+b+a' });
  });
});
