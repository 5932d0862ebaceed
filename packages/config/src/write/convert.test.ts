import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sameMeaning } from '../hash.js';
import type { ModelConfig } from '../model-config.js';
import { parseModelConfig } from '../parse/parse-model-config.js';
import { documentedModel } from '../testing/whole-models.js';
import { convertModel, toDeployed, toDocumented } from './convert.js';

/** Names that break naive code: list positions, separators of ours, properties every object has, text beyond ASCII. */
const awkward = [
  '0',
  '10',
  '-1',
  '__proto__',
  'constructor',
  'toString',
  'a:b',
  'a:b:c',
  'p0:score',
  'score',
  'x@y',
  '@',
  ' ',
  'é',
  '💡',
  'a/b',
  'a"b',
  '$',
  'null',
  'tensors',
  'component',
];
const name = fc.oneof(fc.constantFrom(...awkward), fc.string({ minLength: 1, maxLength: 6 }));
const types = ['FP32', 'DataTypeFP32', 'int64', 'DataTypeInt8', 'FP64', 'bool', 'DataTypeFP16'];
const cellType = fc.constantFrom(...types, 'DataTypeFP32Vector', 'DataTypeString', 'FP8E4M3');
const tensorType = fc.constantFrom(...types, 'BYTES', 'BF16');
const dims = fc.constantFrom([1], [2], [2, 3], [-1], [4, -1]);
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const seconds = optional(fc.nat({ max: 900 }));
const onFailure = optional(fc.constantFrom('default', 'fail', 'skip_dependents'));
const note = optional(fc.record({ owner: fc.string(), 'x-ticket': fc.jsonValue() }, { requiredKeys: [] }));

function noted(arbitrary: fc.Arbitrary<Record<string, unknown>>): fc.Arbitrary<Record<string, unknown>> {
  return fc.tuple(arbitrary, note).map(([fields, extra]) => clean({ ...extra, ...fields }));
}

function clean(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

const group = noted(
  fc.record({
    label: name,
    data_type: cellType,
    features: fc.array(
      fc.oneof(
        name.filter((label) => !label.includes('@')),
        fc.constant('q@DataTypeFP16'),
      ),
      { maxLength: 3 },
    ),
  }),
);
const featureFields = {
  component_id: name,
  composite_id: optional(fc.boolean()),
  fs_keys: fc.array(noted(fc.record({ schema: name, col: name })), { minLength: 1, maxLength: 3 }),
  fs_request: optional(noted(fc.record({ label: name, featureGroups: fc.array(group, { maxLength: 3 }) }))),
  fs_flatten_resp_keys: optional(fc.array(name, { maxLength: 2 })),
  col_name_prefix: optional(name),
  col_name_prefix_mode: optional(fc.constantFrom('replace', 'prepend')),
  comp_cache_enabled: optional(fc.boolean()),
  comp_cache_ttl: seconds,
  stale_if_error: seconds,
  deadline: seconds,
  batch_size: seconds,
  on_failure: onFailure,
};
const inputs = fc.uniqueArray(
  noted(fc.record({ name, features: fc.array(name, { minLength: 1, maxLength: 3 }), shape: dims, data_type: tensorType })),
  {
    minLength: 1,
    maxLength: 3,
    selector: (tensor) => tensor['name'],
  },
);
const output = fc
  .tuple(name, tensorType, fc.array(fc.tuple(name, fc.oneof(dims, fc.constant([]))), { minLength: 1, maxLength: 3 }))
  .map(([label, data_type, scores]) => ({
    name: label,
    data_type,
    model_scores: scores.map(([score]) => score),
    model_scores_dims: scores.map(([, shape]) => shape),
  }));
const routing = fc.constantFrom(
  {},
  {
    model_end_points: [
      { endpoint: 'a', percentage: 40 },
      { endpoint: 'b:9', percentage: 60 },
    ],
  },
  {
    model_end_points: [
      { endpoint: '1', percentage: 30 },
      { endpoint: '1', percentage: 70, zone: 'x' },
    ],
  },
  { model_end_points: [{ endpoint: 'b', percentage: 0 }] },
  {
    route_config: [
      { model_endpoint: 'a', routing_percentage: 33.5, model_name: 'other' },
      { model_endpoint: 'b', routing_percentage: 66.5, note: 1 },
    ],
  },
);
const predatorFields = {
  component_id: optional(name),
  model_name: name,
  model_version: optional(name),
  model_end_point: name,
  deadline: seconds,
  batch_size: seconds,
  calibration: optional(name),
  inputs,
  outputs: fc.uniqueArray(noted(output), { minLength: 1, maxLength: 3, selector: (tensor) => tensor['name'] }),
  slate_component: optional(fc.boolean()),
  slate_calls: optional(fc.constantFrom('per_slate', 'rows', 'dimension')),
  coalesce: optional(fc.boolean()),
  coalesce_wait_ms: optional(fc.nat(50)),
  broadcast_single_score: optional(fc.boolean()),
  on_failure: onFailure,
};
const mapping = fc
  .uniqueArray(fc.tuple(name, cellType, name), { maxLength: 3, selector: ([variable]) => variable })
  .map((entries) => Object.fromEntries(entries.map(([variable, type, column]) => [`${variable}@${type}`, column])));
const numerixFields = {
  component_id: optional(name),
  score_col: name,
  data_type: cellType,
  score_mapping: optional(mapping),
  compute_id: name,
  expression: optional(name),
  slate_component: optional(fc.boolean()),
  deadline: seconds,
  batch_size: seconds,
  on_failure: onFailure,
};
const pluginFields = { type: name, config: optional(fc.jsonValue()), slate_component: optional(fc.boolean()), on_failure: onFailure };

/** A deployed config that parses, whatever its graph looks like. */
const deployed = fc
  .record({
    names: fc.uniqueArray(
      name.filter((text) => text !== 'feature_initializer'),
      { minLength: 2, maxLength: 6 },
    ),
    kinds: fc.array(fc.constantFrom(0, 1, 2, 3), { minLength: 6, maxLength: 6 }),
    features: fc.array(noted(fc.record(featureFields)), { minLength: 6, maxLength: 6 }),
    predators: fc.array(fc.tuple(noted(fc.record(predatorFields)), routing), { minLength: 6, maxLength: 6 }),
    numerix: fc.array(noted(fc.record(numerixFields)), { minLength: 6, maxLength: 6 }),
    plugins: fc.array(noted(fc.record(pluginFields)), { minLength: 6, maxLength: 6 }),
    edges: fc.array(fc.tuple(fc.nat(5), fc.nat(6)), { maxLength: 8 }),
    prefixScores: fc.boolean(),
    order: fc.boolean(),
    top: noted(
      fc.record({ request_values: optional(fc.constantFrom('text', 'typed')), compat: optional(fc.constant('go-1.0')), deadline: seconds }),
    ),
    shared: noted(
      fc.record({
        cache_enabled: fc.boolean(),
        cache_version: fc.integer({ min: 0, max: 20 }),
        cache_ttl: fc.nat(500),
        error_logging_percent: fc.nat(100),
      }),
    ),
    response: noted(
      fc.record({
        features: fc.array(name, { maxLength: 4 }),
        id_column: optional(name),
        logging_perc: fc.nat(100),
        scoring_log_perc: fc.nat(100),
        model_schema_features_perc: fc.nat(100),
        log_features: fc.boolean(),
        log_feature_names: optional(fc.array(name, { maxLength: 2 })),
        log_batch_size: fc.integer({ min: -1, max: 900 }),
      }),
    ),
  })
  .map(({ names, kinds, features, predators, numerix, plugins, edges, prefixScores, order, top, shared, response }) => {
    const collections: Record<string, unknown>[][] = [[], [], [], []];
    const graph: [string, string[]][] = [];
    for (const [index, component] of names.entries()) {
      const kind = index === 0 ? (kinds[0] ?? 0) % 2 : (kinds[index] ?? 0);
      const fields = [features[index], { ...predators[index]?.[0], ...predators[index]?.[1] }, numerix[index], plugins[index]][kind] ?? {};
      collections[kind]?.push({ component, ...(prefixScores ? withPrefixedScores(component, fields) : fields) });
      const waitsFor = edges.filter(([from]) => from === index).map(([, to]) => names[to] ?? 'feature_initializer');
      graph.push([component, waitsFor]);
    }
    return {
      ...top,
      dag_execution_config: { component_dependency: Object.fromEntries(graph) },
      component_config: {
        ...shared,
        feature_components: collections[0],
        predator_components: collections[1],
        numerix_components: collections[2],
        plugin_components: collections[3],
        ...(order ? { order: [...names].reverse() } : {}),
      },
      response_config: clean(response),
    };
  });

function withPrefixedScores(component: string, fields: Record<string, unknown>): Record<string, unknown> {
  const outputs = fields['outputs'] as { model_scores: string[] }[] | undefined;
  return {
    ...fields,
    ...(outputs === undefined
      ? {}
      : { outputs: outputs.map((tensor) => ({ ...tensor, model_scores: tensor.model_scores.map((score) => `${component}:${score}`) })) }),
    ...('score_col' in fields ? { score_col: `${component}:${String(fields['score_col'])}` } : {}),
  };
}

function throughJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** Without what has no meaning: the dialect, and the id that a model component has to have for the original service. */
function withoutDialect({ dialect: _, components, ...rest }: ModelConfig) {
  return {
    ...rest,
    components: components.map((component) => (component.kind === 'predator' ? { ...component, componentId: '' } : component)),
  };
}

function parseOrThrow(raw: unknown): ModelConfig {
  const { config, problems } = parseModelConfig('m', raw);
  if (config === null) throw new Error(`not a valid config: ${JSON.stringify(problems.filter(({ severity }) => severity === 'error'))}`);
  return config;
}

describe('convertModel', () => {
  it('gives the same config in every dialect, through any number of conversions', () => {
    fc.assert(
      fc.property(deployed, (raw) => {
        const config = parseOrThrow(raw);
        const documented = convertModel(config, 'documented');
        expect(documented.losses).toEqual([]);
        const once = parseOrThrow(throughJson(documented.document));
        expect(once.dialect).toBe('documented');
        expect(withoutDialect(once)).toEqual(withoutDialect(config));
        expect(sameMeaning(once, config)).toBe(true);
        const back = parseOrThrow(throughJson(toDeployed(once)));
        expect(back.dialect).toBe('deployed');
        expect(withoutDialect(back)).toEqual(withoutDialect(config));
        expect(throughJson(toDocumented(once))).toEqual(throughJson(documented.document));
      }),
      { numRuns: 250 },
    );
  });

  it('writes what the original service asks for and does not use', () => {
    const { config } = parseModelConfig('m', documentedModel());
    if (config === null) throw new Error('the model of this test is not valid');
    const { component_config } = toDeployed(config) as unknown as {
      component_config: { predator_components: { component_id?: string }[] };
    };
    expect(component_config.predator_components.map(({ component_id }) => component_id)).toEqual(['item_id', 'item_id']);
    expect(sameMeaning(parseOrThrow(throughJson(toDeployed(config))), config)).toBe(true);
  });

  it('keeps the words of the documentation where they say everything', () => {
    const raw = {
      dag_execution_config: { component_dependency: { feature_initializer: ['fs_user'], fs_user: ['ranker'], ranker: [] } },
      component_config: {
        feature_component_config: {
          fs_user: {
            fs_keys: { schema: ['user_id'], col: 'user_id' },
            fs_request: { entity_label: 'user', feature_groups: [{ label: 'demographics', feature_labels: ['age'] }] },
            col_name_prefix: 'user',
          },
        },
        predator_component_config: {
          ranker: {
            model_name: 'm',
            model_endpoint: 'predator:8080',
            model_end_points: { 'v3:8080': 80, 'v4:8080': 20 },
            inputs: { feature_map: { 'user:demographics:age': 'INT32' } },
            outputs: { score_columns: ['score', 'confidence'] },
          },
        },
      },
      response_config: { features: ['ranker:score'] },
    };
    const document = throughJson(toDocumented(parseOrThrow(raw))) as typeof raw;
    expect(document.dag_execution_config).toEqual(raw.dag_execution_config);
    expect(document.component_config.feature_component_config.fs_user.fs_keys).toEqual({ schema: ['user_id'], col: 'user_id' });
    expect(document.component_config.predator_component_config.ranker).toMatchObject(raw.component_config.predator_component_config.ranker);
    expect(document).not.toHaveProperty('request_values');
  });

  it('says which unknown fields have no place in the other dialect', () => {
    const config = parseOrThrow({
      dag_execution_config: { component_dependency: { feature_initializer: ['r'], r: [] } },
      component_config: {
        predator_component_config: {
          r: {
            model_name: 'm',
            model_endpoint: 'h',
            model_end_point: 'mine',
            inputs: { feature_map: { a: 'FP32' }, author: 'me' },
            outputs: { score_columns: ['s'] },
          },
        },
      },
    });
    const { document, losses } = convertModel(config, 'deployed');
    expect(losses.map(({ code, found }) => [code, found])).toEqual([
      ['INFERFLOW_CONFIG_EXTRA_DROPPED', 'model_end_point'],
      ['INFERFLOW_CONFIG_EXTRA_DROPPED', 'author'],
    ]);
    expect(throughJson(document)).toMatchObject({ component_config: { predator_components: [{ model_end_point: 'h' }] } });
    expect(convertModel(config, 'documented').losses).toEqual([]);
  });
});
