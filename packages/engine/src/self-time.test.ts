import { create } from '@bufbuild/protobuf';
import { component, createRegistry, defineComponent, PENDING, writeColumns } from '@inferflow/components';
import { createObjectSource } from '@inferflow/config';
import { DataType } from '@inferflow/matrix';
import { PointWiseRequestSchema } from '@inferflow/proto';
import { createTelemetry, type Telemetry } from '@inferflow/telemetry';
import { createCallHead, createLocalUpstream, UnaryCall } from '@inferflow/transport';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { featureComponent, modelComponent, modelConfig } from './testing/model-config.js';
import { plugin, registryOf } from './testing/plugins.js';

function work(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

/** A call on whose answer this process works for so long. */
class SlowCall extends UnaryCall {
  readonly byteLength = 0;
  readonly #workMs: number;
  readonly #done: () => void;

  constructor(workMs: number, done: () => void) {
    super(createCallHead({ path: '/a.B/C', authority: 'b' }), Number.POSITIVE_INFINITY);
    this.#workMs = workMs;
    this.#done = done;
  }

  write(): void {}

  succeeded(): void {
    work(this.#workMs);
    this.#done();
  }

  failed(): void {}
}

/** A component that makes so many calls, one after the other comes back, and ends with the last. */
function callsOf(count: number, workMs: number) {
  let calls = 0;
  const upstream = createLocalUpstream('slow', async () => {
    await new Promise((resolve) => setTimeout(resolve, 50 * ++calls));
    return new Uint8Array(0);
  });
  return defineComponent({
    type: 'custom',
    apiVersion: 1,
    parseConfig: () => null,
    create: () =>
      component({
        reads: {},
        writes: { out: writeColumns({ name: 'a', type: DataType.FP32 }) },
        execute: (run) => {
          let open = count;
          const done = () => {
            run.calls.note('slow', 0, false);
            if (--open > 0) return;
            run.writes.out.setNumber(0, 1);
            run.done();
          };
          for (let index = 0; index < count; index++) upstream.start(new SlowCall(workMs, done));
          return PENDING;
        },
      }),
  });
}

async function selfSecondsOf(telemetry: Telemetry): Promise<number> {
  const text = await telemetry.prometheusText();
  expect(text).toContain('inferflow_self_seconds_count{model_id="m"} 1\n');
  return Number(/^inferflow_self_seconds_sum\{model_id="m"\} (.*)$/m.exec(text)?.[1]);
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
    const sum = await selfSecondsOf(telemetry);
    expect(sum).toBeGreaterThan(0.04);
    // The waits are 550 ms; a busy machine may add to the work.
    expect(sum).toBeLessThan(0.4);
    await engine.close();
    await telemetry.close();
  });

  it('counts the work on every answer of a component, not only on that which ends it', async () => {
    const telemetry = createTelemetry({ prometheus: true, statsd: null });
    const engine = await createEngine({
      configSource: createObjectSource({ m: modelConfig({ plugins: [{ component: 'caller', type: 'custom' }], answer: ['item', 'a'] }) }),
      registry: createRegistry().register(callsOf(4, 20)),
      telemetry,
    });
    await engine.inferPointWise(create(PointWiseRequestSchema, { modelConfigId: 'm', targets: [{ id: 'i' }] }));
    expect(await selfSecondsOf(telemetry)).toBeGreaterThan(0.08);
    await engine.close();
    await telemetry.close();
  });
});
