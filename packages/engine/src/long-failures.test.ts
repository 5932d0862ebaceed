import { create, toBinary } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { PointWiseRequestSchema, PointWiseResponseSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { modelConfig } from './testing/model-config.js';
import { plugin, registryOf } from './testing/plugins.js';

describe('failures with long texts', () => {
  it('do not blow up answers: every row tells the beginning', async () => {
    const engine = await createEngine({
      configSource: createObjectSource({ m: modelConfig({ plugins: [plugin('p', 'verbose', 'v', 'a')], answer: ['item', 'a'] }) }),
      registry: registryOf({
        verbose: () => {
          throw new Error(`very bad ${'💥'.repeat(500_000)}`);
        },
      }),
    });
    const answer = await engine.inferPointWise(
      create(PointWiseRequestSchema, { modelConfigId: 'm', targets: Array.from({ length: 3000 }, (_, index) => ({ id: `t${index}` })) }),
    );
    expect(answer.targetScores[2999]?.error).toMatch(/^p: exception: component "p" threw: very bad 💥+…$/u);
    expect(answer.quality?.components[0]?.reason).toMatch(/^exception: .*…$/u);
    expect(toBinary(PointWiseResponseSchema, answer).length).toBeLessThan(3000 * 1000);
    await engine.close();
  });

  it('do not blow up the status of a request that fails', async () => {
    const engine = await createEngine({
      configSource: createObjectSource({ m: modelConfig({ plugins: [plugin('p', 'verbose', 'v', 'a', 'fail')], answer: ['item', 'a'] }) }),
      registry: registryOf({
        verbose: () => {
          throw new Error('x'.repeat(1_000_000));
        },
      }),
    });
    const error = await engine
      .inferPointWise(create(PointWiseRequestSchema, { modelConfigId: 'm', targets: [{ id: 't' }] }))
      .catch((thrown: unknown) => thrown as Error);
    expect((error as Error).message.length).toBeLessThan(600);
    await engine.close();
  });
});
