import { create } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { PointWiseRequestSchema } from '@inferflow/proto';
import { createTelemetry } from '@inferflow/telemetry';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { modelComponent, modelConfig } from './testing/model-config.js';
import { plugin, registryOf } from './testing/plugins.js';
import { readRows, text } from './testing/read-answer.js';

describe('memory of requests', () => {
  it('is all given back: what is out after many requests, failed ones included, is what was out before', async () => {
    const telemetry = createTelemetry({ prometheus: true, statsd: null });
    const engine = await createEngine({
      configSource: createObjectSource({ m: modelConfig({ plugins: [plugin('c', 'sometimes', 'v', 'a')], answer: ['item', 'a'] }) }),
      registry: registryOf({
        sometimes: async (run) => {
          await null;
          if (run.input(0) % 3 === 0) throw new Error('every third request');
          run.output(0, 1);
        },
      }),
      telemetry,
    });
    const gauge = async (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(await telemetry.prometheusText())?.[1]);
    const before = await gauge('inferflow_memory_pool_outstanding_bytes');
    await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        engine.inferPointWise(
          create(PointWiseRequestSchema, {
            modelConfigId: 'm',
            targetInputSchema: [{ name: 'v' }],
            targets: [{ id: 't', featureValues: [text(String(index))] }],
          }),
        ),
      ),
    );
    expect(await gauge('inferflow_memory_pool_outstanding_bytes')).toBe(before);
    expect(await gauge('inferflow_memory_pool_idle_bytes')).toBeGreaterThan(0);
    await engine.close();
    await telemetry.close();
  });

  it('is not counted as in use for ever when a component ignores its deadline, late writes included', async () => {
    const telemetry = createTelemetry({ prometheus: true, statsd: null });
    const late: (() => void)[] = [];
    const engine = await createEngine({
      configSource: createObjectSource({ m: modelConfig({ plugins: [plugin('c', 'stuck', 'v', 'a')], answer: ['item', 'a'] }) }),
      registry: registryOf({
        stuck: (run) =>
          new Promise<void>((resolve) => {
            late.push(() => {
              // A bulk writer that goes on: the heap of its block grows beyond what the pool gave it.
              run.block.reserveHeap(1 << 20);
              resolve();
            });
          }),
      }),
      telemetry,
      // A busy machine fires timers late; the reserve has to cover that too.
      defaults: { reserveMs: 200 },
    });
    const gauge = async (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(await telemetry.prometheusText())?.[1]);
    const before = await gauge('inferflow_memory_pool_outstanding_bytes');
    const request = create(PointWiseRequestSchema, { modelConfigId: 'm', targetInputSchema: [{ name: 'v' }], targets: [{ id: 't' }] });
    await Promise.all(Array.from({ length: 20 }, () => engine.inferPointWise(request, { deadlineMs: 800 })));
    expect(await gauge('inferflow_memory_pool_outstanding_bytes')).toBe(before);
    const abandoned = await gauge('inferflow_memory_pool_abandoned_bytes');
    expect(abandoned).toBeGreaterThanOrEqual(20 * 4096);
    for (const write of late) write();
    await new Promise((resolve) => setImmediate(resolve));
    expect(await gauge('inferflow_memory_pool_outstanding_bytes')).toBe(before);
    expect(await gauge('inferflow_memory_pool_abandoned_bytes')).toBe(abandoned);
    await engine.close();
    await telemetry.close();
  });

  it('is not taken by configurations: reloads of a model with constant columns leave it as it is', async () => {
    const telemetry = createTelemetry({ prometheus: true, statsd: null });
    const calibrated = (version: number) =>
      modelConfig({
        models: [modelComponent('ranker', { x: ['FP32', 'v'] }, { model: 'same', calibration: 'pctr' })],
        answer: ['item', 'pctr_model', 'inferflow_config_id', `v${version}`],
      });
    const source = createObjectSource({ m: calibrated(0) });
    const engine = await createEngine({
      configSource: source,
      models: { same: ({ x }) => (x === undefined ? [] : (x.data as Float32Array)) },
      telemetry,
    });
    const ask = () =>
      engine.inferPointWise(
        create(PointWiseRequestSchema, {
          modelConfigId: 'm',
          targetInputSchema: [{ name: 'v' }],
          targets: [{ id: 't', featureValues: [text('1')] }],
        }),
      );
    const outstanding = async () => Number(/^inferflow_memory_pool_outstanding_bytes (.*)$/m.exec(await telemetry.prometheusText())?.[1]);
    const before = await outstanding();
    for (let version = 1; version <= 10; version++) {
      source.update({ m: calibrated(version) });
      expect(engine.snapshot.models.get('m')?.config?.response.features.at(-1)).toBe(`v${version}`);
      expect(readRows(await ask())[0]).toMatchObject({ pctr_model: 'same', inferflow_config_id: 'm' });
    }
    expect(await outstanding()).toBe(before);
    // Nobody holds anything: not even the constants of the model.
    expect(before).toBe(0);
    await engine.close();
    await telemetry.close();
  });
});
