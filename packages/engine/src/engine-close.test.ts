import { create } from '@bufbuild/protobuf';
import { type ConfigSource, createObjectSource } from '@inferflow/config';
import { PointWiseRequestSchema } from '@inferflow/proto';
import { createTelemetry } from '@inferflow/telemetry';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { modelConfig } from './testing/model-config.js';
import { plugin, registryOf } from './testing/plugins.js';
import { text } from './testing/read-answer.js';

const request = create(PointWiseRequestSchema, {
  modelConfigId: 'm',
  targetInputSchema: [{ name: 'v' }],
  targets: [{ id: 't', featureValues: [text('1')] }],
});

/** An engine whose source closes as a test wants, and whose one component waits until it is let go. */
async function start(closeSource: () => Promise<void>) {
  const source = createObjectSource({ m: modelConfig({ plugins: [plugin('c', 'waits', 'v', 'a')], answer: ['item', 'a'] }) });
  const configSource: ConfigSource = {
    description: source.description,
    start: (listener, accept) => source.start(listener, accept),
    close: closeSource,
  };
  const waiting: (() => void)[] = [];
  const telemetry = createTelemetry({ prometheus: true, statsd: null });
  const engine = await createEngine({
    configSource,
    registry: registryOf({
      waits: async (run) => {
        await new Promise<void>((resolve) => waiting.push(resolve));
        run.output(0, 1);
      },
    }),
    telemetry,
  });
  const finish = (): void => {
    for (const resolve of waiting) resolve();
  };
  return { engine, telemetry, finish };
}

const closed = { code: 'INFERFLOW_ENGINE_NOT_READY' };

describe('Engine.close', () => {
  it('refuses new requests at once, however long the source takes to close', async () => {
    let sourceIsClosed = (): void => {};
    const { engine, telemetry } = await start(
      () =>
        new Promise((resolve) => {
          sourceIsClosed = resolve;
        }),
    );
    const closing = engine.close();
    expect(engine.readyReason).toBe('the engine is closed');
    await expect(engine.inferPointWise(request)).rejects.toMatchObject(closed);
    sourceIsClosed();
    await closing;
    await telemetry.close();
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('the source is stuck'))],
    [
      'throws',
      () => {
        throw new Error('the source is stuck');
      },
    ],
  ])('lets open requests end and refuses new ones when the source %s, and then says so', async (_how, closeSource) => {
    const { engine, telemetry, finish } = await start(closeSource);
    const open = engine.inferPointWise(request);
    await new Promise((resolve) => setImmediate(resolve));
    let isOver = false;
    const closing = engine.close().finally(() => {
      isOver = true;
    });
    const end = expect(closing).rejects.toThrow('the source is stuck');
    await expect(engine.inferPointWise(request)).rejects.toMatchObject(closed);
    expect([isOver, engine.inFlight]).toEqual([false, 1]);
    finish();
    expect((await open).targetScores).toHaveLength(1);
    await end;
    expect(engine.inFlight).toBe(0);
    await telemetry.close();
  });

  it.each([Number.POSITIVE_INFINITY, 2 ** 31])('lets open requests end in a grace longer than any timer: %s ms', async (graceMs) => {
    const { engine, telemetry, finish } = await start(() => Promise.resolve());
    const open = engine.inferPointWise(request);
    await new Promise((resolve) => setImmediate(resolve));
    const closing = engine.close(graceMs);
    await new Promise((resolve) => setTimeout(resolve, 5));
    finish();
    expect((await open).targetScores).toHaveLength(1);
    await closing;
    await telemetry.close();
  });
});
