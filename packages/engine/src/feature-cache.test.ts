import { create } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { PointWiseRequestSchema } from '@inferflow/proto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { featureComponent, modelComponent, modelConfig } from './testing/model-config.js';

const scalars = ['it:n:a', 'it:n:b', 'it:n:c'] as const;
const answered = ['item', ...scalars, 'it:v:e', 'it:t:s'];

/** What the store has for a key, as an answer of the engine has it. */
const stored = (key: string) => {
  const seed = key.charCodeAt(0);
  return {
    a: seed,
    b: seed + 1,
    c: seed + 2,
    e: Array.from({ length: key === 'x' || key === 'y' ? 3 : 2 }, (_, i) => seed + i),
    s: `${key}!`,
  };
};
const right = (key: string) => {
  const { a, b, c, e, s } = stored(key);
  const floats = (values: number[]) => Buffer.from(Float32Array.from(values).buffer).toString('hex');
  return [Buffer.from(key).toString('hex'), ...[a, b, c].map((value) => floats([value])), floats(e), Buffer.from(s).toString('hex')];
};

interface Reading {
  readonly inputs: readonly string[];
  readonly composite?: boolean;
  readonly loggingPercent?: number;
}

/** One query, its rows cached; what reads them may change. */
function config({ inputs, composite = false, loggingPercent = 0 }: Reading) {
  const groups = { n: ['DataTypeFP32', 'a', 'b', 'c'], v: ['DataTypeFP32Vector', 'e'], t: ['DataTypeString', 's'] } as const;
  const features = { ...featureComponent('f', groups, { composite, componentId: 'pair' }), comp_cache_enabled: true, stale_if_error: 3600 };
  const models = [modelComponent('r', { x: ['FP32', ...inputs] })];
  const made = modelConfig({ features: [features], models, waits: { r: ['f'] }, answer: answered });
  Object.assign(made.component_config, { cache_enabled: true });
  Object.assign(made.response_config, { logging_perc: loggingPercent });
  return made;
}

async function world(first: Reading) {
  const source = createObjectSource({ m: config(first) });
  const asked: string[] = [];
  let isDown = false;
  const engine = await createEngine({
    configSource: source,
    models: { r: (_inputs, { rowCount }) => new Float32Array(rowCount) },
    featureStore: ({ keys }) => {
      if (isDown) throw new Error('down');
      asked.push(...keys.map(([key]) => key as string));
      return keys.map(([key]) => stored(key as string));
    },
  });
  return {
    engine,
    asked,
    reload: (reading: Reading) => source.update({ m: config(reading) }),
    goDown: () => {
      isDown = true;
    },
    ask: async (keys: readonly string[]) => {
      const request = create(PointWiseRequestSchema, { modelConfigId: 'm', targets: keys.map((id) => ({ id })) });
      const { targetScores } = await engine.inferPointWise(request);
      return targetScores.map(({ outputValues }) => outputValues.map((value) => Buffer.from(value).toString('hex')));
    },
  };
}

describe('cached rows of features', () => {
  it('are there after a change that has nothing to do with them, also when the store is down', async () => {
    const { engine, asked, ask, reload, goDown } = await world({ inputs: scalars });
    for (const key of 'abc') await ask([key]);
    for (const reading of [
      { inputs: scalars, loggingPercent: 1 },
      { inputs: scalars.toReversed() },
      { inputs: scalars.slice(1), composite: true },
    ]) {
      reload(reading);
      expect(await ask(['c', 'a'])).toEqual(['c', 'a'].map(right));
      expect(await ask(['b', 'a', 'c'])).toEqual(['b', 'a', 'c'].map(right));
    }
    expect(asked).toEqual(['a', 'b', 'c']);
    goDown();
    reload({ inputs: scalars });
    expect(await ask(['a', 'b', 'c'])).toEqual(['a', 'b', 'c'].map(right));
    await engine.close();
  });

  it('are fetched once and read right, whatever lengths vectors have and however the plan lays out its blocks', async () => {
    const reading = fc.record({
      inputs: fc.shuffledSubarray([...scalars], { minLength: 1 }),
      composite: fc.boolean(),
    });
    const keys = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'g', 'x', 'y'), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(reading, fc.array(fc.oneof(keys, reading), { minLength: 5, maxLength: 14 }), async (first, steps) => {
        const { engine, asked, ask, reload } = await world(first);
        for (const step of steps) {
          if (!Array.isArray(step)) reload(step);
          else expect(await ask(step)).toEqual(step.map(right));
        }
        expect(new Set(asked).size).toBe(asked.length);
        await engine.close();
      }),
      { numRuns: 60 },
    );
  });
});
