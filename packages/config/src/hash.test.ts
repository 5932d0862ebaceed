import { describe, expect, it } from 'vitest';
import { contentHash, meaningOf } from './hash.js';
import { canonicalJson } from './json.js';
import { parseModelConfig } from './parse/parse-model-config.js';
import { deployedModel } from './testing/whole-models.js';

function model(features: number) {
  const labels = Array.from({ length: features }, (_, index) => `f${index}`);
  const { config } = parseModelConfig('m', {
    deadline: 80,
    dag_execution_config: { component_dependency: { feature_initializer: ['item'] } },
    component_config: {
      feature_component_config: {
        item: {
          fs_keys: { schema: 'id', col: 'id' },
          fs_request: { entity_label: 'item', feature_groups: [{ label: 'g', feature_labels: labels }] },
        },
      },
    },
    response_config: { features: ['id'] },
  });
  if (config === null) throw new Error('the model of this test is not valid');
  return config;
}

describe('meaningOf', () => {
  it.each([0, 1, 1000, 2500])('is one text of canonical JSON, however it is put together: %i features', (features) => {
    const config = model(features);
    const { compat, requestValues, dependencies, order, cache, errorLoggingPercent, deadlineMs, components, response } = config;
    const whole = canonicalJson({
      compat,
      requestValues,
      dependencies,
      order,
      cache,
      errorLoggingPercent,
      deadlineMs,
      components,
      response,
    });
    expect(meaningOf(config)).toBe(whole);
    expect(config.hash).toBe(contentHash(whole));
  });
});

describe('the hash of a model', () => {
  it('does not move with what means nothing, nor with settings of a later release that are not set', () => {
    const hashOf = (raw: unknown): string | undefined => parseModelConfig('m', raw).config?.hash;
    const raw = deployedModel();
    const [predator] = raw.component_config.predator_components;
    Object.assign(predator ?? {}, { component_id: 'other', coalesce_wait_ms: 0 });
    expect(hashOf(raw)).toBe(hashOf(deployedModel()));
    Object.assign(predator ?? {}, { coalesce: true });
    expect(hashOf(raw)).not.toBe(hashOf(deployedModel()));
  });
});

describe('canonicalJson', () => {
  it('sorts keys, leaves out what is undefined, and keeps texts as JSON has them', () => {
    const value = { b: [1, null, 'x"y', undefined], a: { d: true, c: undefined }, '': -0 };
    expect(canonicalJson(value)).toBe('{"":0,"a":{"d":true},"b":[1,null,"x\\"y",null]}');
  });
});
