import { create } from '@bufbuild/protobuf';
import { type ConfigSnapshot, type ConfigSource, createObjectSource } from '@inferflow/config';
import { ComponentOutcome_Status, PointWiseRequestSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import type { EngineOptions } from './engine-options.js';
import { featureComponent, modelComponent, modelConfig } from './testing/model-config.js';
import { type PluginBehaviour, plugin, registryOf } from './testing/plugins.js';
import { readRows, text } from './testing/read-answer.js';

const double: PluginBehaviour = (run) => {
  for (let row = 0; row < run.rowCount; row++) run.output(row, run.input(row) * 2);
};
const never: PluginBehaviour = () => new Promise(() => {});

/** A model of plugins: `v` comes from the request. */
function engineOf(
  plugins: readonly ReturnType<typeof plugin>[],
  behaviours: Readonly<Record<string, PluginBehaviour>>,
  {
    waits = {},
    answer = ['item', 'a', 'b'],
    extra = {},
    options = {},
  }: { waits?: Record<string, string[]>; answer?: string[]; extra?: object; options?: Partial<EngineOptions> } = {},
) {
  return createEngine({
    configSource: createObjectSource({ m: modelConfig({ plugins, waits, answer, extra: { ...extra } }) }),
    registry: registryOf({ double, never, ...behaviours }),
    // A busy machine fires timers late; the reserve has to cover that too.
    defaults: { reserveMs: 60 },
    ...options,
  });
}

function ask(values: readonly string[] = ['1', '2']) {
  return create(PointWiseRequestSchema, {
    modelConfigId: 'm',
    targetInputSchema: [{ name: 'v' }],
    targets: values.map((value, index) => ({ id: `t${index}`, featureValues: [text(value)] })),
  });
}

describe('deadlines', () => {
  it('answers within the budget when a component does not end: its rows carry the error, the others stand', async () => {
    const engine = await engineOf([plugin('good', 'double', 'v', 'a'), plugin('stuck', 'never', 'v', 'b')], {});
    const started = performance.now();
    const answer = await engine.inferPointWise(ask(), { deadlineMs: 400 });
    const took = performance.now() - started;
    expect(took).toBeGreaterThan(330);
    expect(took).toBeLessThan(400);
    expect(readRows(answer)).toEqual([
      { item: 't0', a: 2, b: null },
      { item: 't1', a: 4, b: null },
    ]);
    expect(answer.targetScores.map(({ error }) => error)).toEqual([
      expect.stringMatching(/^stuck: deadline: /),
      expect.stringMatching(/^stuck: deadline: /),
    ]);
    expect(answer.quality?.components.map(({ name, status }) => [name, status])).toEqual([
      ['good', ComponentOutcome_Status.OK],
      ['stuck', ComponentOutcome_Status.ABANDONED],
    ]);
    expect(answer.quality?.cells?.failed).toBe(2);
    await engine.close();
  });

  it('does not begin what waits for a component that ran out of time', async () => {
    const engine = await engineOf(
      [plugin('stuck', 'never', 'v', 'a'), plugin('after', 'double', 'a', 'b')],
      {},
      { waits: { after: ['stuck'] } },
    );
    const answer = await engine.inferPointWise(ask(['1']), { deadlineMs: 200 });
    expect(answer.quality?.components.map(({ name, reason }) => [name, reason.split(':')[0]])).toEqual([
      ['stuck', 'deadline'],
      ['after', 'deadline'],
    ]);
    await engine.close();
  });

  it('takes the deadline from the model, then from the engine, when the caller has none', async () => {
    const byModel = await engineOf([plugin('stuck', 'never', 'v', 'a')], {}, { extra: { deadline: 200 }, answer: ['item', 'a'] });
    const started = performance.now();
    await byModel.inferPointWise(ask());
    const byEngine = await engineOf(
      [plugin('stuck', 'never', 'v', 'a')],
      {},
      { answer: ['item', 'a'], options: { defaults: { deadlineMs: 200, reserveMs: 50 } } },
    );
    await byEngine.inferPointWise(ask());
    expect(performance.now() - started).toBeLessThan(2000);
    await byModel.close();
    await byEngine.close();
  });

  it('fails the request when the component must not fail, and when no time is left for an answer', async () => {
    const engine = await engineOf([plugin('stuck', 'never', 'v', 'a', 'fail')], {}, { answer: ['item', 'a'] });
    await expect(engine.inferPointWise(ask(), { deadlineMs: 200 })).rejects.toMatchObject({
      code: 'INFERFLOW_ENGINE_DEADLINE_EXCEEDED',
      componentName: 'stuck',
    });
    const slow = await engineOf(
      [plugin('slow', 'slow', 'v', 'a')],
      {
        slow: (run) => {
          const until = performance.now() + 40;
          while (performance.now() < until);
          double(run);
        },
      },
      { answer: ['item', 'a'] },
    );
    await expect(slow.inferPointWise(ask(), { deadlineMs: 20 })).rejects.toMatchObject({ kind: 'deadline_exceeded' });
    await expect(slow.inferPointWise(ask(), { deadlineMs: 0 })).rejects.toMatchObject({ kind: 'deadline_exceeded' });
    await engine.close();
    await slow.close();
  });

  it('bounds upstream calls by the budget, not by their own deadlines', async () => {
    const aborted: string[] = [];
    const engine = await createEngine({
      configSource: createObjectSource({
        m: modelConfig({
          features: [featureComponent('f', { fp32_m: ['DataTypeFP32', 'price'] })],
          models: [modelComponent('ranker', { x: ['FP32', 'v'] }, { model: 'stuck', deadlineMs: 5000 })],
          answer: ['item', 'score', 'it:fp32_m:price'],
        }),
      }),
      featureStore: ({ keys, signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted.push('store');
            resolve(keys.map(() => null));
          });
        }),
      models: {
        stuck: (_inputs, { signal }) =>
          new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              aborted.push('model');
              resolve([]);
            });
          }),
      },
    });
    const answer = await engine.inferPointWise(ask(), { deadlineMs: 1000 });
    expect(answer.quality?.components.map(({ reason }) => reason.split(':')[0])).toEqual(['deadline', 'deadline']);
    expect(aborted.sort()).toEqual(['model', 'store']);
    expect(answer.targetScores.every(({ error }) => error.includes('f: deadline') && error.includes('ranker: deadline'))).toBe(true);
    await engine.close();
  });
});

describe('cancelling', () => {
  it('reaches every running component and call, and ends the request as cancelled', async () => {
    let signal: AbortSignal | undefined;
    const engine = await engineOf(
      [plugin('stuck', 'stuck', 'v', 'a')],
      {
        stuck: (run) => {
          signal = run.signal;
          return new Promise(() => {});
        },
      },
      { answer: ['item', 'a'] },
    );
    const controller = new AbortController();
    const answer = engine.inferPointWise(ask(), { signal: controller.signal });
    await new Promise((resolve) => setImmediate(resolve));
    expect(engine.inFlight).toBe(1);
    controller.abort();
    await expect(answer).rejects.toMatchObject({ code: 'INFERFLOW_ENGINE_CANCELLED', kind: 'cancelled' });
    expect(signal?.aborted).toBe(true);
    expect(engine.inFlight).toBe(0);
    await expect(engine.inferPointWise(ask(), { signal: controller.signal })).rejects.toMatchObject({ kind: 'cancelled' });
    await engine.close();
  });
});

describe('a late writer', () => {
  it('never reaches another request', async () => {
    const late: (() => void)[] = [];
    let isLate = true;
    const engine = await engineOf(
      [plugin('writer', 'writer', 'v', 'a')],
      {
        writer: async (run) => {
          const { block } = run;
          if (!isLate) return double(run);
          const memory = block.memory;
          late.push(() => {
            memory.bytes.fill(0xff);
            for (let row = 0; row < block.rowCount; row++) block.setBytes(row, 0, new Uint8Array([1, 2, 3, 4]), 0, 4, 1);
            try {
              run.output(0, 666);
            } catch {
              // The writer is no longer bound: that is as it should be.
            }
          });
          await new Promise(() => {});
        },
      },
      { answer: ['item', 'v', 'a'] },
    );
    for (let round = 0; round < 5; round++) await engine.inferPointWise(ask(), { deadlineMs: 250 });
    isLate = false;
    const expected = [
      { item: 't0', v: '1', a: 2 },
      { item: 't1', v: '2', a: 4 },
    ];
    for (let round = 0; round < 20; round++) {
      const answers = Promise.all(Array.from({ length: 8 }, () => engine.inferPointWise(ask())));
      for (const scribble of late) scribble();
      for (const answer of await answers) {
        expect(readRows(answer)).toEqual(expected);
        expect(answer.targetScores.map(({ error }) => error)).toEqual(['', '']);
      }
      for (const scribble of late) scribble();
    }
    await engine.close();
  });
});

describe('failing components', () => {
  it('names the plugin that throws, and goes on', async () => {
    const engine = await engineOf([plugin('bad', 'bad', 'v', 'a'), plugin('good', 'double', 'v', 'b')], {
      bad: () => {
        throw new Error('boom');
      },
    });
    const answer = await engine.inferPointWise(ask(['1']));
    expect(readRows(answer)).toEqual([{ item: 't0', a: null, b: 2 }]);
    expect(answer.targetScores[0]?.error).toContain('bad: exception: component "bad" threw: boom');
    await engine.close();
  });

  it('ends the request when its policy is fail', async () => {
    const engine = await engineOf([plugin('bad', 'bad', 'v', 'a', 'fail'), plugin('stuck', 'never', 'v', 'b')], {
      bad: async () => {
        throw new Error('boom');
      },
    });
    await expect(engine.inferPointWise(ask())).rejects.toMatchObject({
      code: 'INFERFLOW_ENGINE_COMPONENT_FAILED',
      kind: 'unavailable',
      componentName: 'bad',
    });
    expect(engine.inFlight).toBe(0);
    await engine.close();
  });

  it('skips what depends on it when its policy is skip_dependents', async () => {
    const engine = await engineOf(
      [
        plugin('bad', 'bad', 'v', 'a', 'skip_dependents'),
        plugin('after', 'double', 'a', 'b'),
        plugin('last', 'double', 'b', 'c'),
        plugin('other', 'double', 'v', 'd'),
      ],
      {
        bad: () => {
          throw new Error('boom');
        },
      },
      { waits: { after: ['bad'], last: ['after'] }, answer: ['item', 'a', 'b', 'c', 'd'] },
    );
    const answer = await engine.inferPointWise(ask(['3']));
    expect(readRows(answer)).toEqual([{ item: 't0', a: null, b: null, c: null, d: 6 }]);
    expect(answer.quality?.components.map(({ name, status, reason }) => [name, status, reason])).toEqual([
      ['bad', ComponentOutcome_Status.FAILED, expect.stringContaining('exception')],
      ['other', ComponentOutcome_Status.OK, ''],
      ['after', ComponentOutcome_Status.SKIPPED, 'dependency: bad failed'],
      ['last', ComponentOutcome_Status.SKIPPED, 'dependency: bad failed'],
    ]);
    expect(answer.quality?.cells).toMatchObject({ failed: 1, skipped: 2 });
    expect(answer.targetScores[0]?.error).toContain('after: skipped, because bad failed');
    await engine.close();
  });

  it('calls rows failed that a component has left out', async () => {
    const engine = await engineOf(
      [plugin('half', 'half', 'v', 'a')],
      {
        half: (run) => {
          run.output(0, 5);
        },
      },
      { answer: ['item', 'a'] },
    );
    const answer = await engine.inferPointWise(ask());
    expect(readRows(answer).map((row) => row['a'])).toEqual([5, null]);
    expect(answer.targetScores.map(({ error }) => error)).toEqual(['', expect.stringContaining('half: not-written')]);
    expect(answer.quality?.components[0]?.status).toBe(ComponentOutcome_Status.DEFAULTED);
    await engine.close();
  });
});

describe('life of an engine', () => {
  it('finishes requests on the snapshot they began with', async () => {
    const release: (() => void)[] = [];
    const source = createObjectSource({ m: modelConfig({ plugins: [plugin('p', 'wait', 'v', 'a')], answer: ['item', 'a'] }) });
    const engine = await createEngine({
      configSource: source,
      registry: registryOf({
        double,
        wait: async (run) => {
          await new Promise<void>((resolve) => release.push(resolve));
          double(run);
        },
      }),
    });
    const seen: string[] = [];
    engine.onSnapshot(({ revision }) => seen.push(revision));
    const before = engine.inferPointWise(ask(['1']));
    await new Promise((resolve) => setImmediate(resolve));
    source.update({ m: modelConfig({ plugins: [plugin('p', 'double', 'v', 'b')], answer: ['item', 'b'] }) });
    expect(seen).toEqual(['2']);
    expect(readRows(await engine.inferPointWise(ask(['1'])))).toEqual([{ item: 't0', b: 2 }]);
    release[0]?.();
    expect(readRows(await before)).toEqual([{ item: 't0', a: 2 }]);
    await engine.close();
  });

  it('refuses what is no snapshot, closes its source, and serves on when that comes later', async () => {
    const good = createObjectSource({ m: modelConfig({ plugins: [plugin('p', 'double', 'v', 'a')], answer: ['item', 'a'] }) });
    let closed = 0;
    let publish: (snapshot: ConfigSnapshot) => void = () => undefined;
    const sourceOf = (first: unknown): ConfigSource => ({
      description: 'mine',
      start: async (listener, accept) => {
        publish = listener;
        return first === good ? good.start(listener, accept) : (first as ConfigSnapshot);
      },
      close: async () => {
        closed++;
      },
    });
    const refused = { code: 'INFERFLOW_ENGINE_OPTIONS_INVALID', message: expect.stringContaining('configSource (mine)') };
    for (const garbage of [undefined, 'models', { models: { m: {} } }, { models: new Map() }])
      await expect(createEngine({ configSource: sourceOf(garbage) })).rejects.toMatchObject(refused);
    expect(closed).toBe(4);
    const engine = await createEngine({ configSource: sourceOf(good), registry: registryOf({ double }) });
    expect(() => publish({} as ConfigSnapshot)).toThrow('no snapshot of configurations');
    expect(readRows(await engine.inferPointWise(ask(['4'])))).toEqual([{ item: 't0', a: 8 }]);
    await engine.close();
  });

  it('keeps the last good version of a model whose new one does not compile', async () => {
    const source = createObjectSource({ m: modelConfig({ plugins: [plugin('p', 'double', 'v', 'a')], answer: ['item', 'a'] }) });
    const engine = await createEngine({ configSource: source, registry: registryOf({ double }) });
    source.update({ m: modelConfig({ plugins: [{ component: 'p', type: 'nobody', config: {} }], answer: ['item', 'a'] }) });
    const entry = engine.snapshot.models.get('m');
    expect(entry?.state).toBe('rejected');
    expect(entry?.problems.map(({ message }) => message).join()).toContain('no component type "nobody" is registered');
    expect(readRows(await engine.inferPointWise(ask(['4'])))).toEqual([{ item: 't0', a: 8 }]);
    await engine.close();
  });

  it('refuses what a plugin reads before its writer has run', async () => {
    const engine = await engineOf([plugin('p', 'double', 'b', 'a'), plugin('q', 'double', 'v', 'b')], {});
    expect(
      engine.snapshot.models
        .get('m')
        ?.problems.map(({ message }) => message)
        .join(),
    ).toContain('does not wait for it');
    await engine.close();
  });

  it('closes: new requests are refused, open ones get their time, then they are ended', async () => {
    const engine = await engineOf([plugin('stuck', 'never', 'v', 'a')], {}, { answer: ['item', 'a'] });
    const open = engine.inferPointWise(ask());
    const closed = engine.close(50);
    await expect(engine.inferPointWise(ask())).rejects.toMatchObject({ code: 'INFERFLOW_ENGINE_NOT_READY' });
    await expect(open).rejects.toMatchObject({ code: 'INFERFLOW_ENGINE_NOT_READY' });
    await closed;
    expect(engine.ready).toBe(false);
  });

  it('bounds requests in flight', async () => {
    const engine = await engineOf(
      [plugin('stuck', 'never', 'v', 'a')],
      {},
      { answer: ['item', 'a'], options: { limits: { maxInFlight: 2 } } },
    );
    const open = [engine.inferPointWise(ask(), { deadlineMs: 200 }), engine.inferPointWise(ask(), { deadlineMs: 200 })];
    await expect(engine.inferPointWise(ask())).rejects.toMatchObject({ code: 'INFERFLOW_ENGINE_OVERLOADED', kind: 'resource_exhausted' });
    await Promise.all(open);
    await expect(engine.inferPointWise(ask(), { deadlineMs: 200 })).resolves.toBeDefined();
    await engine.close();
  });
});
