import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkModelConfig, convertModel } from './index.js';
import { change, type Json, placeOf, placesOf, valueAt } from './testing/break-model.js';
import { recordedModels, refusedModels, throughJson } from './testing/recorded-models.js';
import { deployedModel, documentedModel } from './testing/whole-models.js';

const movies = new URL('../../../examples/movies/models/', import.meta.url);

/** What is worth a warning in the model and in both dialects, as code and path. */
function alarms(id: string, model: unknown): readonly string[] {
  const { config } = checkModelConfig(id, model, { isStrict: true });
  const written =
    config === null ? [] : (['documented', 'deployed'] as const).map((dialect) => throughJson(convertModel(config, dialect).document));
  return [model, ...written].flatMap((each) =>
    checkModelConfig(id, each, { isStrict: true })
      .problems.filter(({ severity }) => severity !== 'hint')
      .map(({ severity, code, path }) => `${id}: ${severity} ${code} ${path}`),
  );
}

/** Settings that may be left out without anything to say about it. */
const optional = {
  documented: `component_config: cache_enabled cache_version cache_ttl error_logging_percent score_names order
    component_config.feature_component_config.item: fs_flatten_resp_keys col_name_prefix comp_cache_enabled comp_cache_ttl stale_if_error deadline batch_size on_failure
    component_config.predator_component_config.ranker: model_version model_end_points model_endpoint deadline batch_size calibration slate_component coalesce on_failure
    component_config.predator_component_config.ranker.inputs.tensors[0]: shape data_type
    component_config.predator_component_config.ranker.outputs.tensors[0]: data_type
    component_config.predator_component_config.ranker.outputs.tensors[0].scores[0]: dims
    component_config.predator_component_config.order: slate_calls
    component_config.numerix_component_config.blend: data_type component_id deadline batch_size slate_component on_failure
    component_config.numerix_component_config.blend.score_mapping[0]: variable data_type
    response_config: id_column model_schema_perc logging_perc log_features scoring_log_perc log_batch_size
    : request_values deadline`,
  deployed: `component_config: cache_enabled cache_version cache_ttl error_logging_percent order
    component_config.feature_components[0]: fs_flatten_resp_keys comp_cache_enabled comp_cache_ttl stale_if_error deadline batch_size on_failure
    component_config.predator_components[0]: model_end_point model_end_points deadline batch_size slate_component
    component_config.predator_components[1]: route_config model_end_point deadline batch_size
    component_config.numerix_components[0]: slate_component
    response_config: model_schema_features_perc logging_perc log_features log_batch_size`,
} as const;

/** Other values that are as good, by the last part of their path. */
const others: Readonly<Record<string, readonly Json[]>> = {
  on_failure: ['default', 'skip_dependents'],
  logging_perc: [0, 100],
  error_logging_percent: [0, 100],
  cache_ttl: [0, 86_400],
  comp_cache_ttl: [0, 3600],
  batch_size: [0, 1, 10_000],
  log_batch_size: [0, 1],
  slate_calls: ['per_slate', 'rows'],
  model_version: ['1', '20260101'],
  cache_version: [0, 1, 15],
  model_endpoint: ['local', 'h', '10.0.0.1:8001', '[::1]:8001', 'http://models:8001'],
  model_end_point: ['local', 'h', '10.0.0.1:8001'],
};

describe('lint of good models', () => {
  it('has nothing to say about the examples', () => {
    for (const name of readdirSync(movies)) {
      expect(alarms(name, JSON.parse(readFileSync(new URL(name, movies), 'utf8')))).toEqual([]);
    }
  });

  it.each([
    ['documented', documentedModel],
    ['deployed', deployedModel],
  ] as const)('has nothing to say about what is left out or written in another way, %s', (dialect, make: () => Json) => {
    let count = 0;
    const check = (path: string, value: Json | undefined): void => {
      const model = make();
      change(model, placeOf(path), value);
      expect([path, value, alarms('m', model)]).toEqual([path, value, []]);
      count++;
    };
    for (const line of optional[dialect].split('\n')) {
      const [holder = '', names = ''] =
        line.trim().split(': ').length === 2 ? line.trim().split(': ') : ['', line.trim().replace(/^: ?/, '')];
      for (const name of names.split(' ')) {
        check(holder === '' ? name : `${holder}.${name}`, undefined);
      }
    }
    for (const place of placesOf(make())) {
      const path = place.map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`)).join('');
      if (typeof valueAt(make(), place) === 'object') continue;
      for (const value of others[`${place.at(-1)}`] ?? []) check(path.slice(1), value);
    }
    expect(count).toBeGreaterThan(50);
  });

  it('finds in the recorded models only what is there', () => {
    const models = recordedModels().filter(([id]) => !refusedModels.has(id));
    expect(models.length).toBeGreaterThan(150);
    const found = models.flatMap(([id, raw]) => alarms(id, raw));
    // Columns and components that indeed nobody uses.
    const others = found.filter((alarm) => !/ INFERFLOW_CONFIG_(UNUSED_COLUMN|UNUSED_COMPONENT|SLATE_NOT_ANSWERED) /.test(alarm));
    expect([...new Set(others.map((alarm) => alarm.replace(/ \$.*/, '')))].sort()).toEqual([
      // Reads a bare name that another component fetches with its entity and group.
      'iso0: warning INFERFLOW_CONFIG_LIKELY_TYPO',
      // Version 17.
      'logv0: warning INFERFLOW_CONFIG_CACHE_VERSION',
    ]);
  });
});
