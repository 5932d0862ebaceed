import { create } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { PointWiseRequestSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import type { EngineError } from './errors.js';
import { featureComponent, modelComponent, modelConfig } from './testing/model-config.js';
import { Random } from './testing/random-world.js';
import { readRows, text } from './testing/read-answer.js';

const random = new Random(7);
const pause = (mostMs: number) => new Promise<void>((resolve) => setTimeout(resolve, random.below(mostMs + 1)));
const priceOf = (id: string) => Number(id.slice(1)) * 2;

const inputs = { x: ['FP32', 'it:fp32_m:price', 'shop:fp32_s:rank', 'boost'] } as const;
const configOf = (coalesceMs: number | undefined) =>
  modelConfig({
    features: [
      featureComponent('f_item', { fp32_m: ['DataTypeFP32', 'price'], string_m: ['DataTypeString', 'shop'] }),
      featureComponent('f_shop', { fp32_s: ['DataTypeFP32', 'rank'] }, { entity: 'shop', keys: [['id', 'it:string_m:shop']] }),
    ],
    models: [
      modelComponent('ranker', inputs, { model: 'sum', batchSize: 4, ...(coalesceMs !== undefined && { batchSize: 30, coalesceMs }) }),
    ],
    waits: { f_shop: ['f_item'], ranker: ['f_shop'] },
    answer: ['item', 'score', 'it:fp32_m:price', 'shop:fp32_s:rank'],
  });

describe.each([
  ['with calls of its own for each request', undefined, false],
  ['that shares fetches', undefined, true],
  ['that shares fetches and model calls', 0, true],
  ['whose model calls wait for further rows', 2, true],
] as const)('an engine in turmoil %s', (_how, coalesceMs, shareFetches) => {
  it('never gives a row another row’s values, whatever fails, is slow, is cancelled or runs out of time', { timeout: 60_000 }, async () => {
    const engine = await createEngine({
      configSource: createObjectSource({ m: configOf(coalesceMs) }),
      shareFetches,
      featureStore: async ({ entity, keys }) => {
        await pause(4);
        if (random.chance(0.05)) throw new Error('the store is down');
        return keys.map(([id = '']) =>
          entity === 'it' ? { price: priceOf(id), shop: `s${Number(id.slice(1)) % 7}` } : { rank: Number(id.slice(1)) * 100 },
        );
      },
      models: {
        sum: async ({ x }, { rowCount }) => {
          await pause(4);
          if (random.chance(0.05)) throw new Error('the model is down');
          const values = x?.data as Float32Array;
          return Array.from(
            { length: rowCount },
            (_, row) => (values[row * 3] ?? 0) + (values[row * 3 + 1] ?? 0) + (values[row * 3 + 2] ?? 0),
          );
        },
      },
      featureCacheBytes: 0,
    });
    const outcomes: Record<string, number> = {};
    const ask = async () => {
      await pause(300);
      const ids = Array.from({ length: 1 + random.below(12) }, () => `i${random.below(40)}`);
      const boost = random.below(1000) * 10_000;
      const controller = new AbortController();
      const hurry = random.below(4);
      const call = engine.inferPointWise(
        create(PointWiseRequestSchema, {
          modelConfigId: 'm',
          contextFeatures: [{ name: 'boost', value: text(String(boost)) }],
          targets: ids.map((id) => ({ id })),
        }),
        { signal: controller.signal, deadlineMs: hurry === 0 ? 1 + random.below(12) : 10_000 },
      );
      if (hurry === 1) void pause(8).then(() => controller.abort());
      const answer = await call.catch((error: EngineError) => {
        // Those in a hurry are turned away when too many others wait.
        expect(['deadline_exceeded', 'cancelled', 'resource_exhausted']).toContain(error.kind);
        outcomes[error.kind] = (outcomes[error.kind] ?? 0) + 1;
        return null;
      });
      if (answer === null) return;
      readRows(answer).forEach((row, index) => {
        const id = ids[index] as string;
        const price = priceOf(id);
        const rank = (Number(id.slice(1)) % 7) * 100;
        const error = answer.targetScores[index]?.error ?? '';
        expect(row['item']).toBe(id);
        expect([null, price]).toContain(row['it:fp32_m:price']);
        expect([null, rank]).toContain(row['shop:fp32_s:rank']);
        const expected = (row['it:fp32_m:price'] === null ? 0 : price) + (row['shop:fp32_s:rank'] === null ? 0 : rank) + boost;
        if (row['score'] === null) expect(error).not.toBe('');
        else expect(row['score']).toBe(expected);
        if (row['it:fp32_m:price'] === null || row['shop:fp32_s:rank'] === null) expect(error).not.toBe('');
        const kind = error === '' ? 'rows right' : 'rows with an error';
        outcomes[kind] = (outcomes[kind] ?? 0) + 1;
      });
    };
    await Promise.all(Array.from({ length: 800 }, ask));
    expect(engine.inFlight).toBe(0);
    outcomes['too late'] = (outcomes['deadline_exceeded'] ?? 0) + (outcomes['resource_exhausted'] ?? 0);
    for (const kind of ['rows right', 'cancelled', 'too late']) expect(outcomes[kind], kind).toBeGreaterThan(10);
    // A second try spares requests that share calls most of the failures.
    if (coalesceMs === undefined) expect(outcomes['rows with an error']).toBeGreaterThan(10);
    await engine.close();
  });
});
