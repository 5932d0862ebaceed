import { create } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { SlateWiseRequestSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { modelComponent, modelConfig } from './testing/model-config.js';
import { plugin, registryOf } from './testing/plugins.js';
import { text } from './testing/read-answer.js';

describe('row errors of slates', () => {
  it('follow from what a target of the slate rests on', async () => {
    const engine = await createEngine({
      configSource: createObjectSource({
        m: modelConfig({
          plugins: [plugin('evens', 'evens', 'v', 'a')],
          models: [
            modelComponent('ranker', { x: ['FP32', 'a'] }, { model: 'same' }),
            modelComponent('listwise', { x: ['FP32', 'score'] }, { model: 'first', score: 's_score', slate: true }),
          ],
          waits: { ranker: ['evens'], listwise: ['ranker'] },
          answer: ['item', 'score', 's_score'],
        }),
      }),
      registry: registryOf({
        // Row 1 gets nothing: its score rests on a default.
        evens: (run) => {
          for (let row = 0; row < run.rowCount; row += 2) run.output(row, run.input(row));
        },
      }),
      models: {
        same: (inputs) => Float32Array.from(inputs['x']?.data as Float32Array),
        first: (inputs) => [Number(inputs['x']?.data[0])],
      },
    });
    const { slateScores, targetScores } = await engine.inferSlateWise(
      create(SlateWiseRequestSchema, {
        modelConfigId: 'm',
        targetInputSchema: [{ name: 'v' }],
        targets: ['5', '6', '7'].map((value, index) => ({ id: `t${index}`, featureValues: [text(value)] })),
        slates: [{ targetIndices: [0, 2] }, { targetIndices: [2, 1] }, { targetIndices: [0] }],
      }),
    );
    expect(targetScores.map(({ error }) => error === '')).toEqual([true, false, true]);
    expect(slateScores.map(({ error }) => error)).toEqual(['', 'target 1 of this slate has an error', '']);
    await engine.close();
  });
});
