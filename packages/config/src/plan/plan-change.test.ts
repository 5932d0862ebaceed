import { describe, expect, it } from 'vitest';
import type { ModelConfig } from '../model-config.js';
import { parseModelConfig } from '../parse/parse-model-config.js';
import { change, type Json, pathOf, placesOf, valueAt } from '../testing/break-model.js';
import { deployedModel, documentedModel } from '../testing/whole-models.js';
import { planChange } from './plan-change.js';

interface Options {
  readonly features?: readonly string[];
  readonly type?: string;
  readonly cacheVersion?: number;
  readonly ttl?: number;
  readonly answer?: readonly string[];
  readonly endpoint?: string;
  readonly waits?: readonly string[];
  readonly keyColumn?: string;
  readonly inputs?: readonly string[];
}

function model(options: Options = {}): ModelConfig {
  const { config, problems } = parseModelConfig('m', {
    dag_execution_config: { component_dependency: { item: ['feature_initializer'], p1: options.waits ?? ['item'] } },
    component_config: {
      cache_enabled: true,
      cache_version: options.cacheVersion ?? 1,
      cache_ttl: 300,
      feature_components: [
        {
          component: 'item',
          component_id: 'item_id',
          fs_keys: [{ schema: 'item_id', col: options.keyColumn ?? 'item_id' }],
          fs_request: {
            label: 'item',
            featureGroups: [{ label: 'g', data_type: options.type ?? 'DataTypeFP32', features: options.features ?? ['price'] }],
          },
          fs_flatten_resp_keys: ['item_id'],
          comp_cache_enabled: true,
          comp_cache_ttl: options.ttl ?? 60,
        },
      ],
      predator_components: [
        {
          component: 'p1',
          component_id: 'item_id',
          model_name: 'ranker',
          model_end_point: options.endpoint ?? 'models',
          deadline: 100,
          batch_size: 50,
          inputs: [{ name: 'x', features: options.inputs ?? ['item:g:price'], shape: [options.inputs?.length ?? 1], data_type: 'FP32' }],
          outputs: [{ name: 'y', model_scores: ['score'], model_scores_dims: [[1]], data_type: 'FP32' }],
        },
      ],
    },
    response_config: { features: options.answer ?? ['item_id', 'score'] },
  });
  if (config === null) throw new Error(JSON.stringify(problems));
  return config;
}

const lines = (before: Options, after: Options): string[] =>
  planChange(model(before), model(after)).map(
    ({ subject, action, name, detail, impact }) => `${subject} ${action} ${name} (${detail}) ${impact}`,
  );

describe('planChange', () => {
  it('finds nothing between equal configurations', () => {
    expect(lines({}, {})).toEqual([]);
  });

  it('tells a new feature, the larger fetch and that its cache starts cold', () => {
    expect(lines({}, { features: ['price', 'stock'] })).toEqual([
      'component changed item (fs_request) careful',
      'column added item:g:stock (DataTypeFP32) plain',
      'upstream changed feature store, item (item: 1 feature → item: 2 features) careful',
      'cache changed item (starts cold) careful',
    ]);
  });

  it('tells a new type of a column', () => {
    expect(lines({}, { type: 'DataTypeFP64' })).toContain('column changed item:g:price (DataTypeFP32 → DataTypeFP64) careful');
  });

  it('knows that a longer life keeps the cache warm and a new version does not', () => {
    expect(lines({}, { ttl: 90 })).toContain('cache changed item (stays warm; kept 60 s → 90 s) plain');
    expect(lines({}, { cacheVersion: 2 })).toEqual([
      'cache changed item (starts cold) careful',
      'setting changed cache_version (1 → 2) plain',
    ]);
  });

  it('knows that a type starts the cache cold, and that what reads the rows or where their keys are from does not', () => {
    expect(lines({}, { type: 'DataTypeFP64' })).toContain('cache changed item (starts cold) careful');
    const features = ['price', 'stock'];
    const inputs = ['item:g:price', 'item:g:stock'];
    const other = lines({ features, inputs }, { features, inputs: inputs.toReversed(), keyColumn: 'other_id' });
    expect(other).toHaveLength(2);
    expect(other.filter((line) => line.startsWith('cache'))).toEqual([]);
  });

  it('counts 0 as version 1, as cache keys and log records do', () => {
    expect(lines({ cacheVersion: 0 }, { cacheVersion: 1 })).toEqual([]);
    expect(lines({ cacheVersion: 0 }, { cacheVersion: 2 })).toContain('setting changed cache_version (1 → 2) plain');
  });

  it('calls another type of an answered column breaking', () => {
    expect(lines({ answer: ['item_id', 'item:g:price'] }, { answer: ['item_id', 'item:g:price'], type: 'DataTypeFP64' })).toContain(
      'answer changed item:g:price (DataTypeFP32 → DataTypeFP64) breaking',
    );
  });

  it('calls a lost or moved column of the answer breaking', () => {
    expect(lines({}, { answer: ['item_id'] })).toEqual(['answer removed score () breaking']);
    expect(lines({}, { answer: ['score', 'item_id'] })).toContain(
      'answer changed order of columns (readers that go by position break) breaking',
    );
  });

  it('tells where models are called and which edges moved', () => {
    expect(lines({}, { endpoint: 'other', waits: ['feature_initializer', 'item'] })).toEqual([
      'component changed p1 (model_end_point) careful',
      'edge added feature_initializer → p1 () plain',
      'upstream changed model, p1 (ranker version 1 at models; deadline 100 ms, 50 rows a call → ranker version 1 at other; deadline 100 ms, 50 rows a call) careful',
    ]);
  });

  it('names the settings as they are written', () => {
    const change = (to: number): string => lines({}, { ttl: to }).join('; ');
    expect(change(5)).toBe('component changed item (comp_cache_ttl) careful; cache changed item (stays warm; kept 60 s → 5 s) plain');
  });

  it.each([documentedModel, deployedModel])('has a word for every setting that means something', (make: () => Json) => {
    const parse = (value: Json): ModelConfig | null => parseModelConfig('m', value).config;
    const before = parse(make());
    let count = 0;
    for (const place of placesOf(make())) {
      const old = valueAt(make(), place);
      const value = typeof old === 'number' ? old + 1 : typeof old === 'boolean' ? !old : typeof old === 'string' ? `${old}_2` : undefined;
      for (const next of [value, undefined]) {
        const model = make();
        change(model, place, next);
        const after = parse(model);
        if (before === null || after === null || after.hash === before.hash) continue;
        expect([pathOf(place), next, planChange(before, after).length > 0]).toEqual([pathOf(place), next, true]);
        count++;
      }
    }
    expect(count).toBeGreaterThan(50);
  });
});
