import { readdirSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { checkModelConfig } from '../check-model-config.js';
import { modelsIn, readDocument } from '../source/model-document.js';
import { recordedModels, refusedModels, throughJson } from '../testing/recorded-models.js';
import { toDeployed, toDocumented } from '../write/convert.js';
import { modelSchema, modelsSchema, schemaFiles } from './json-schema.js';

const root = new URL('../../../../', import.meta.url);
const ajv = new Ajv({ allErrors: true });
const isModel = ajv.compile(modelSchema());
const isModels = ajv.compile(modelsSchema());

function errorsOf(value: unknown): readonly string[] {
  isModel(value);
  return (isModel.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/** A good model of either dialect, to be broken. */
function good(dialect: 'documented' | 'deployed'): Record<string, never> {
  const { config } = checkModelConfig('m', {
    dag_execution_config: { component_dependency: { feature_initializer: ['item'], item: ['ranker'], ranker: ['blend'], blend: [] } },
    component_config: {
      cache_version: 'v2',
      feature_component_config: {
        item: {
          fs_keys: { schema: ['id'], col: 'id' },
          fs_request: { entity_label: 'item', feature_groups: [{ label: 'g', data_type: 'FP32', feature_labels: ['price'] }] },
        },
      },
      predator_component_config: {
        ranker: {
          model_name: 'ranker',
          model_end_points: { 'a:1': 60, 'b:1': 40 },
          inputs: { tensors: [{ name: 'x', features: ['item:g:price'], shape: [1], data_type: 'FP32' }] },
          outputs: { tensors: [{ name: 'y', data_type: 'FP32', scores: [{ name: 'score', dims: [1] }] }] },
        },
      },
      numerix_component_config: { blend: { score_column: 'blend', compute_id: '1', score_mapping: { 'ranker:score': 'FP32' } } },
    },
    response_config: { features: ['id', 'blend:blend'], log_features: ['id'] },
  });
  if (config === null) throw new Error('the model of this test is not valid');
  return throughJson((dialect === 'documented' ? toDocumented : toDeployed)(config)) as Record<string, never>;
}

/** Sets a value by its path, such as `a.b.0.c`. */
function broken(dialect: 'documented' | 'deployed', path: string, value: unknown): unknown {
  const model = good(dialect);
  const keys = path.split('/');
  let at = model as Record<string, never>;
  for (const key of keys.slice(0, -1)) {
    if (at[key] === undefined) throw new Error(`${path} is not there`);
    at = at[key];
  }
  Object.assign(at, { [keys.at(-1) ?? '']: value });
  return model;
}

const documented = 'component_config/predator_component_config/ranker';
const deployed = 'component_config/predator_components/0';

describe('the JSON Schema', () => {
  it('is what the package publishes', () => {
    for (const [name, content] of Object.entries(schemaFiles())) {
      expect(readFileSync(new URL(`packages/config/schema/${name}`, root), 'utf8')).toBe(content);
    }
    const { exports } = JSON.parse(readFileSync(new URL('packages/config/package.json', root), 'utf8'));
    for (const name of Object.keys(schemaFiles())) expect(exports[`./schema/${name}`]).toBe(`./schema/${name}`);
  });

  it('accepts every recorded model that is good, in both dialects', () => {
    let count = 0;
    for (const [id, raw] of recordedModels()) {
      if (refusedModels.has(id)) continue;
      const { config } = checkModelConfig(id, raw);
      expect([id, errorsOf(raw)]).toEqual([id, []]);
      if (config === null) throw new Error(`${id} is not good`);
      for (const write of [toDocumented, toDeployed]) expect([id, errorsOf(throughJson(write(config)))]).toEqual([id, []]);
      count++;
    }
    expect(count).toBeGreaterThan(150);
  });

  it('accepts every example', () => {
    const folders = ['examples/movies/models/'];
    for (const folder of folders) {
      for (const name of readdirSync(new URL(folder, root))) {
        const value = JSON.parse(readFileSync(new URL(`${folder}${name}`, root), 'utf8'));
        expect([name, errorsOf(value)]).toEqual([name, []]);
        expect(isModels({ $schema: 'x', one: value, two: value })).toBe(true);
      }
    }
    for (const page of readdirSync(new URL('docs/guides/', root))) {
      const text = readFileSync(new URL(`docs/guides/${page}`, root), 'utf8');
      for (const [, block] of text.matchAll(/<!-- file: (?!broken)[^\n]*models[^\n]*-->\n```yaml\n([\s\S]*?)```/g)) {
        const read = readDocument({ text: block ?? '', format: 'yaml' });
        expect('value' in read && errorsOf(read.value)).toEqual([]);
      }
    }
  });

  it.each([
    ['documented', 'dag_execution_config/component_dependency', []],
    ['documented', 'dag_execution_config/component_dependency/item', 'ranker'],
    ['documented', 'component_config/cache_version', 'two'],
    ['documented', 'component_config/cache_ttl', -1],
    ['documented', 'component_config/score_names', 'bare'],
    ['documented', 'component_config/feature_component_config', []],
    ['documented', 'component_config/feature_component_config/item', 'x'],
    ['documented', 'component_config/feature_component_config/item/fs_keys', undefined],
    ['documented', 'component_config/feature_component_config/item/fs_keys', []],
    ['documented', 'component_config/feature_component_config/item/fs_request/feature_groups', {}],
    ['documented', 'component_config/feature_component_config/item/fs_request/feature_groups/0/data_type', 'FP31'],
    ['documented', 'component_config/feature_component_config/item/on_failure', 'ignore'],
    ['documented', `${documented}/model_name`, undefined],
    ['documented', `${documented}/model_name`, ''],
    ['documented', `${documented}/model_end_points`, { 'a:1': '60' }],
    ['documented', `${documented}/model_end_points`, { 'a:1': -1 }],
    ['documented', `${documented}/deadline`, '100'],
    ['documented', `${documented}/inputs/tensors/0/shape`, [0]],
    ['documented', `${documented}/inputs/tensors/0/features`, []],
    ['documented', `${documented}/outputs/tensors/0/scores/0/name`, ''],
    ['documented', `${documented}/slate_calls`, 'all'],
    ['documented', 'component_config/numerix_component_config/blend/score_mapping', 'x'],
    ['documented', 'component_config/numerix_component_config/blend/score_column', 5],
    ['documented', 'response_config/logging_perc', -1],
    ['documented', 'response_config/log_features', 'all'],
    ['documented', 'request_values', 'bytes'],
    ['documented', 'compat', 'go-2.0'],
    ['documented', 'component_config/predator_components', []],
    ['deployed', 'component_config/cache_version', 'v1'],
    ['deployed', 'component_config/feature_components/0/component', undefined],
    ['deployed', 'component_config/feature_components/0/fs_keys', { schema: 'id', col: 'id' }],
    ['deployed', 'component_config/feature_components/0/fs_keys/0/schema', ['id']],
    ['deployed', `${deployed}/inputs`, []],
    ['deployed', `${deployed}/inputs/0/data_type`, undefined],
    ['deployed', `${deployed}/outputs/0/model_scores_dims`, [1]],
    ['deployed', `${deployed}/model_end_points/0/percentage`, 60.5],
    ['deployed', 'component_config/numerix_components/0/score_mapping', { x: 'score' }],
    ['deployed', 'response_config/log_features', ['id'], 'good'],
    ['deployed', 'response_config', undefined, 'good'],
  ] as const)('%s: %s = %j', (dialect, path, value, verdict: 'good' | 'bad' = 'bad') => {
    expect(errorsOf(good(dialect))).toEqual([]);
    const model = throughJson(broken(dialect, path, value));
    expect(errorsOf(model).length === 0).toBe(verdict === 'good');
    // Whatever the schema refuses, the parser refuses.
    expect(checkModelConfig('m', model).config !== null).toBe(verdict === 'good');
  });

  it('takes null as absent and leaves unknown fields and its own address alone', () => {
    const model = Object.assign(good('documented'), { $schema: 'x', owner: 'team-a', deadline: null });
    expect(errorsOf(model)).toEqual([]);
    expect(checkModelConfig('m', model).problems.filter(({ path }) => path.includes('schema'))).toEqual([]);
    expect([...modelsIn({ $schema: 'x', one: model }, 'm').keys()]).toEqual(['one']);
  });
});
