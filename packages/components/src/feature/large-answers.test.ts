import { DataType } from '@inferflow/matrix';
import { WalkScratch } from '@inferflow/proto/hot';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { runComponent } from '../testing/index.js';
import { featureDefinition } from './feature-component.js';
import { answerTo, cellOf, configOf, store } from './feature-store.fixture.js';

afterEach(() => vi.restoreAllMocks());

describe('an answer of many wide rows', () => {
  it('takes memory for the rows that it has, and leaves none behind', async () => {
    const features = Array.from({ length: 1100 }, (_, index) => `f${index}`);
    const items = Array.from({ length: 1000 }, (_, index) => `i${index}`);
    const reserve = vi.spyOn(WalkScratch.prototype, 'reserve');
    const { failure } = await runComponent(featureDefinition, {
      config: configOf({ groups: [{ label: 'fp64', type: DataType.FP64, features }] }),
      columns: { item: items },
      backends: store((query) => answerTo({ ...query, groups: [] }, cellOf, (rows) => [{ keys: ['stranger'], columns: [] }, ...rows]))
        .backends,
      wasm: false,
    });
    expect(failure).toBeNull();
    expect(reserve.mock.calls.map(([rows]) => rows)).toEqual([1000, 1001]);
    expect(reserve.mock.contexts[0]).toHaveProperty('rows.length', 0);
  });
});
