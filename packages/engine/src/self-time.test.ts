import { create } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { PointWiseRequestSchema } from '@inferflow/proto';
import { createTelemetry } from '@inferflow/telemetry';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { featureComponent, modelComponent, modelConfig } from './testing/model-config.js';
import { plugin, registryOf } from './testing/plugins.js';

function work(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

describe('inferflow_self_seconds', () => {
  it('counts the work of this process on a request, and not what it waits for', async () => {
    const telemetry = createTelemetry({ prometheus: true, statsd: null });
    const engine = await createEngine({
      configSource: createObjectSource({
        m: modelConfig({
          features: [featureComponent('f_item', { fp32_m: ['DataTypeFP32', 'price'] })],
          plugins: [plugin('busy', 'busy', 'it:fp32_m:price', 'a')],
          models: [modelComponent('ranker', { x: ['FP32', 'it:fp32_m:price', 'a'] }, { model: 'slow' })],
          waits: { busy: ['f_item'], ranker: ['busy'] },
          answer: ['item', 'score'],
        }),
      }),
      featureStore: async ({ keys }) => {
        await new Promise((resolve) => setTimeout(resolve, 150));
        return keys.map(() => ({ price: 1 }));
      },
      models: {
        slow: async () => {
          await new Promise((resolve) => setTimeout(resolve, 400));
          return [1];
        },
      },
      registry: registryOf({
        busy: (run) => {
          work(40);
          run.output(0, 2);
        },
      }),
      telemetry,
    });
    await engine.inferPointWise(create(PointWiseRequestSchema, { modelConfigId: 'm', targets: [{ id: 'i' }] }));
    const text = await telemetry.prometheusText();
    const sum = Number(/^inferflow_self_seconds_sum\{model_id="m"\} (.*)$/m.exec(text)?.[1]);
    expect(text).toContain('inferflow_self_seconds_count{model_id="m"} 1\n');
    expect(sum).toBeGreaterThan(0.04);
    // The waits are 550 ms; a busy machine may add to the work.
    expect(sum).toBeLessThan(0.4);
    await engine.close();
    await telemetry.close();
  });
});
