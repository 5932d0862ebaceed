import { DataType } from '@inferflow/matrix';
import { describe, expect, it } from 'vitest';
import type { FeatureComponentConfig, NumerixComponentConfig, PredatorComponentConfig } from '../model-config.js';
import { parseModelConfig } from './parse-model-config.js';

/** The model of the configuration guide, with what it leaves as `{ ... }` filled in from the same page. */
function guideModel() {
  return {
    dag_execution_config: {
      component_dependency: {
        feature_initializer: ['fs_user'],
        fs_user: ['ranker_model'],
        ranker_model: ['reranker'],
        reranker: [] as string[],
      },
    },
    component_config: {
      feature_component_config: {
        fs_user: {
          fs_keys: { schema: ['user_id'] as unknown, col: 'context:user:user_id' as unknown },
          fs_request: {
            entity_label: 'user',
            feature_groups: [
              { label: 'demographics', feature_labels: ['age', 'location'] },
              { label: 'behavior', feature_labels: ['click_rate'] },
            ],
          },
          fs_flatten_resp_keys: ['user_id'],
          col_name_prefix: 'user',
          comp_cache_enabled: true,
          comp_cache_ttl: 600,
          composite_id: false,
        },
      },
      predator_component_config: {
        ranker_model: {
          model_name: 'product_ranker_v3',
          model_endpoint: 'predator-ranker:8080',
          model_end_points: { 'predator-ranker-v3:8080': 80, 'predator-ranker-v4:8080': 20 },
          deadline: 100,
          batch_size: 50,
          calibration: { enabled: false },
          inputs: { feature_map: { 'user:demographics:age': 'INT32', 'user:behavior:click_rate': 'FP32' } },
          outputs: { score_columns: ['score', 'confidence'] },
          slate_component: false,
        },
      },
      numerix_component_config: {
        reranker: {
          score_column: 'final_score',
          data_type: 'FP32',
          score_mapping: { 'ranker_model:score': 'FP32', 'user:behavior:click_rate': 'FP32' },
          compute_id: 'diversity_rerank_v1',
          slate_component: false,
        },
      },
      cache_enabled: true,
      cache_version: 'v1' as unknown,
      cache_ttl: 300,
      error_logging_percent: 10,
    },
    response_config: {
      features: ['ranker_model:score', 'reranker:final_score'],
      model_schema_perc: 100,
      logging_perc: 5,
      log_features: ['user:demographics:age', 'ranker_model:score'],
      log_batch_size: 100,
    },
  };
}

function deployedModel() {
  return {
    dag_execution_config: { component_dependency: { user: ['feature_initializer'], p1: ['user'], i1: ['p1'] } as Record<string, unknown> },
    component_config: {
      cache_enabled: true,
      cache_version: 1 as unknown,
      cache_ttl: 300,
      feature_components: [
        {
          component: 'user',
          component_id: 'user_id',
          fs_keys: [{ schema: 'user_id', col: 'user_id' }],
          fs_request: {
            label: 'user',
            featureGroups: [{ label: 'profile', data_type: 'DataTypeFP32', features: ['age', 'emb@DataTypeFP16Vector'] }],
          },
          fs_flatten_resp_keys: ['user_id'],
          comp_cache_enabled: true,
          col_name_prefix: 'parent:',
        },
      ],
      predator_components: [
        {
          component: 'p1',
          component_id: 'item_id',
          model_name: 'm',
          model_end_point: 'predator.svc',
          deadline: 100 as unknown,
          batch_size: 50,
          inputs: [{ name: 'in', features: ['parent:user:profile:age'], shape: [1], data_type: 'FP32' }],
          outputs: [{ name: 'out', model_scores: ['score'], model_scores_dims: [[1]], data_type: 'DataTypeFP32' }],
        },
      ],
      numerix_components: [
        {
          component: 'i1',
          component_id: 'item_id',
          score_col: 'final',
          data_type: 'DataTypeFP32',
          compute_id: '1',
          score_mapping: { 'a@DataTypeFP32': 'score' },
        },
      ],
    },
    response_config: { features: ['item_id', 'score', 'final'], logging_perc: 5, log_features: false as unknown, log_batch_size: 100 },
  };
}

const codes = (raw: unknown) => parseModelConfig('m', raw).problems.map(({ code, path }) => [code.replace('INFERFLOW_CONFIG_', ''), path]);

function configOf(raw: unknown) {
  const { config, problems } = parseModelConfig('m', raw);
  if (config === null) throw new Error(JSON.stringify(problems));
  return config;
}

describe('parseModelConfig, documented dialect', () => {
  it('reads the model of the guide', () => {
    const config = configOf(guideModel());
    expect(config).toMatchObject({
      dialect: 'documented',
      requestValues: 'typed',
      compat: false,
      order: ['fs_user', 'ranker_model', 'reranker'],
      cache: { enabled: true, version: 1, ttlSeconds: 300 },
      response: {
        features: ['ranker_model:score', 'reranker:final_score'],
        idColumn: 'id',
        modelSchemaPercent: 100,
        logFeatures: ['user:demographics:age', 'ranker_model:score'],
      },
    });
    expect({ ...config.dependencies }).toEqual({ fs_user: ['feature_initializer'], ranker_model: ['fs_user'], reranker: ['ranker_model'] });
    const [user, ranker, reranker] = config.components as [FeatureComponentConfig, PredatorComponentConfig, NumerixComponentConfig];
    expect(user.columns.map(({ name }) => name)).toEqual([
      'user:demographics:age',
      'user:demographics:location',
      'user:behavior:click_rate',
    ]);
    expect(user).toMatchObject({
      componentId: 'context:user:user_id',
      keys: [{ schema: 'user_id', column: 'context:user:user_id' }],
      cache: { enabled: true, ttlSeconds: 600 },
    });
    expect(ranker.endpoints).toEqual([
      { endpoint: 'predator-ranker-v3:8080', percentage: 80 },
      { endpoint: 'predator-ranker-v4:8080', percentage: 20 },
    ]);
    expect(ranker.inputs.map(({ name, shape, dataType }) => [name, shape, dataType])).toEqual([
      ['user:demographics:age', [1], 'INT32'],
      ['user:behavior:click_rate', [1], 'FP32'],
    ]);
    expect(ranker.outputs.map(({ name, scores }) => [name, scores])).toEqual([
      ['score', [{ name: 'ranker_model:score', dims: [1] }]],
      ['confidence', [{ name: 'ranker_model:confidence', dims: [1] }]],
    ]);
    expect(reranker).toMatchObject({ componentId: 'id', scoreColumn: 'reranker:final_score', computeId: 'diversity_rerank_v1' });
    expect(reranker.variables.map(({ variable, column }) => [variable, column])[0]).toEqual(['ranker_model:score', 'ranker_model:score']);
  });

  it('says what it assumed', () => {
    const { assumptions } = parseModelConfig('m', guideModel());
    const assumed = assumptions.map(({ path }) => path);
    expect(assumed).toEqual(
      expect.arrayContaining([
        '$.component_config.feature_component_config.fs_user.fs_request.feature_groups[0].data_type',
        '$.component_config.predator_component_config.ranker_model.inputs.tensors',
        '$.component_config.predator_component_config.ranker_model.outputs.tensors',
        '$.component_config.numerix_component_config.reranker.score_mapping',
        '$.component_config.numerix_component_config.reranker.component_id',
        '$.response_config.id_column',
      ]),
    );
  });

  it('names scores plainly when the config only ever does, and follows bare names to their component otherwise', () => {
    const plain = guideModel();
    plain.response_config.features = ['score', 'final_score'];
    plain.response_config.log_features = ['score'];
    plain.component_config.numerix_component_config.reranker.score_mapping = { score: 'FP32' } as never;
    expect(configOf(plain).response.features).toEqual(['score', 'final_score']);
    const mixed = guideModel();
    mixed.response_config.features = ['score', 'ranker_model:confidence'];
    expect(configOf(mixed).response.features).toEqual(['ranker_model:score', 'ranker_model:confidence']);
  });

  it('refuses a bare name that two components give', () => {
    const raw = guideModel();
    raw.component_config.numerix_component_config.reranker.score_column = 'score';
    raw.response_config.features = ['score', 'ranker_model:score'];
    expect(codes(raw)).toEqual([['AMBIGUOUS_SCORE', '$.response_config.features[0]']]);
  });

  it('lets a prefix stand for the label, or be put before it', () => {
    const raw = guideModel();
    const user = raw.component_config.feature_component_config.fs_user as Record<string, unknown>;
    user['col_name_prefix'] = 'buyer';
    const names = () => (configOf(raw).components[0] as FeatureComponentConfig).columns[0]?.name;
    expect(names()).toBe('buyer:demographics:age');
    user['col_name_prefix_mode'] = 'prepend';
    expect(names()).toBe('buyeruser:demographics:age');
  });

  it('takes pairs of key names and columns in every documented and optional spelling', () => {
    const raw = guideModel();
    const keysOf = (keys: unknown) => {
      (raw.component_config.feature_component_config.fs_user as Record<string, unknown>)['fs_keys'] = keys;
      return (configOf(raw).components[0] as FeatureComponentConfig).keys;
    };
    const pair = [
      { schema: 'a', column: 'x' },
      { schema: 'b', column: 'y' },
    ];
    expect(keysOf({ schema: ['a', 'b'], col: ['x', 'y'] })).toEqual(pair);
    expect(
      keysOf([
        { schema: 'a', col: 'x' },
        { schema: ['b'], col: 'y' },
      ]),
    ).toEqual(pair);
    expect(keysOf({ schema: ['a', 'b'], col: 'x' })).toEqual([pair[0], { schema: 'b', column: 'x' }]);
  });

  it('takes tensors, variables, feature types and calibration names', () => {
    const raw = guideModel() as unknown as { component_config: Record<string, Record<string, Record<string, unknown>>> };
    const { component_config: components } = raw;
    Object.assign(components['predator_component_config']?.['ranker_model'] ?? {}, {
      calibration: { enabled: true, name: 'pctr' },
      inputs: { feature_map: { 'user:demographics:age': 'INT64' }, tensors: [{ name: 'x', features: ['user:demographics:age', 'price'] }] },
      outputs: {
        score_columns: ['score'],
        tensors: [{ name: 'o', data_type: 'FP64', scores: [{ name: 'score' }, { name: 'emb', dims: [4] }] }],
      },
      model_version: '7',
      coalesce: true,
      coalesce_wait_ms: 3,
      slate_calls: 'dimension',
      on_failure: 'fail',
    });
    Object.assign(components['numerix_component_config']?.['reranker'] ?? {}, {
      score_mapping: [{ variable: 's', column: 'ranker_model:score', data_type: 'FP64' }],
    });
    const { fs_request: request } = components['feature_component_config']?.['fs_user'] ?? {};
    (request as { feature_groups: unknown[] }).feature_groups[0] = {
      label: 'demographics',
      data_type: 'Int32',
      feature_labels: ['age', { label: 'height', data_type: 'FP16' }],
    };
    const [user, ranker, reranker] = configOf(raw).components as [FeatureComponentConfig, PredatorComponentConfig, NumerixComponentConfig];
    expect(user.columns.slice(0, 2).map(({ name, requestLabel, dataType }) => [name, requestLabel, dataType])).toEqual([
      ['user:demographics:age', 'age', DataType.Int32],
      ['user:demographics:height', 'height@FP16', DataType.FP16],
    ]);
    expect(ranker).toMatchObject({
      calibration: 'pctr',
      modelVersion: '7',
      coalesce: true,
      coalesceWaitMs: 3,
      slateCalls: 'dimension',
      onFailure: 'fail',
      inputs: [{ name: 'x', shape: [2], dataType: 'INT64' }],
      outputs: [
        {
          name: 'o',
          dataType: 'FP64',
          scores: [
            { name: 'ranker_model:score', dims: [1] },
            { name: 'ranker_model:emb', dims: [4] },
          ],
        },
      ],
    });
    expect(reranker.variables).toMatchObject([{ variable: 's', column: 'ranker_model:score', dataType: DataType.FP64 }]);
  });
});

describe('parseModelConfig, deployed dialect', () => {
  it('reads what the Go service reads', () => {
    const config = configOf(deployedModel());
    const [user, p1, i1] = config.components as [FeatureComponentConfig, PredatorComponentConfig, NumerixComponentConfig];
    expect(config).toMatchObject({
      dialect: 'deployed',
      requestValues: 'text',
      errorLoggingPercent: 10,
      response: { idColumn: 'item_id', logFeatures: false },
    });
    expect(user.columns).toEqual([
      { name: 'parent:user:profile:age', requestLabel: 'age', group: 0, dataType: DataType.FP32, groupDataType: DataType.FP32 },
      {
        name: 'parent:user:profile:emb',
        requestLabel: 'emb@DataTypeFP16Vector',
        group: 0,
        dataType: DataType.FP16Vector,
        groupDataType: DataType.FP32,
      },
    ]);
    expect(p1).toMatchObject({ endpoint: 'predator.svc', endpoints: [], modelVersion: '1', deadlineMs: 100, broadcastSingleScore: false });
    expect(i1.variables).toEqual([{ variable: 'a', dataType: DataType.FP32, dataTypeText: 'DataTypeFP32', column: 'score' }]);
  });

  it('reads field names in any case, ignores unknown ones with a hint, and warns of those that look misspelt', () => {
    const raw = deployedModel() as unknown as Record<string, Record<string, unknown>>;
    raw['RESPONSE_CONFIG'] = raw['response_config'] as Record<string, unknown>;
    delete raw['response_config'];
    Object.assign(raw['component_config'] ?? {}, { cache_tll: 5, team: 'search', order_by: 1 });
    const { config, problems } = parseModelConfig('m', raw);
    expect(config?.response.features).toHaveLength(3);
    expect(problems).toMatchObject([
      { severity: 'warning', path: '$.component_config.cache_tll', suggestion: 'cache_ttl' },
      { severity: 'hint', path: '$.component_config.team' },
      { severity: 'hint', path: '$.component_config.order_by' },
    ]);
    expect({ ...config?.extra['components'] }).toEqual({ cache_tll: 5, team: 'search', order_by: 1 });
  });

  it('refuses every value of a wrong type, all at once', () => {
    const raw = deployedModel();
    raw.component_config.cache_version = 'v1';
    raw.response_config.log_features = ['score'];
    raw.dag_execution_config.component_dependency['p1'] = 'user';
    Object.assign(raw.component_config.predator_components[0] ?? {}, { deadline: '100', inputs: {} });
    expect(codes(raw)).toEqual(
      expect.arrayContaining([
        ['WRONG_TYPE', '$.dag_execution_config.component_dependency.p1'],
        ['WRONG_TYPE', '$.component_config.cache_version'],
        ['WRONG_TYPE', '$.component_config.predator_components[0].deadline'],
        ['WRONG_TYPE', '$.component_config.predator_components[0].inputs'],
        ['WRONG_TYPE', '$.response_config.log_features'],
      ]),
    );
  });

  it('lets the last of equal names win at the place of the first', () => {
    const raw = deployedModel();
    const [first] = raw.component_config.predator_components;
    raw.component_config.predator_components.push(
      { ...(first as NonNullable<typeof first>), component: 'p2' },
      { ...(first as NonNullable<typeof first>), model_name: 'newer' },
    );
    const { config, problems } = parseModelConfig('m', raw);
    expect(config?.order).toEqual(['user', 'p1', 'p2', 'i1']);
    expect(config?.components[1]).toMatchObject({ modelName: 'newer' });
    expect(problems.map(({ code }) => code)).toContain('INFERFLOW_CONFIG_DUPLICATE_COMPONENT');
  });

  it('routes by either table', () => {
    const raw = deployedModel();
    const p1 = raw.component_config.predator_components[0] as Record<string, unknown>;
    const endpoints = () => (configOf(raw).components[1] as PredatorComponentConfig).endpoints;
    p1['route_config'] = [
      { model_name: 'b', model_endpoint: 'x', routing_percentage: 99.5 },
      { model_endpoint: 'y', routing_percentage: 0.5 },
    ];
    expect(endpoints()).toEqual([
      { endpoint: 'x', percentage: 99.5, modelName: 'b' },
      { endpoint: 'y', percentage: 0.5 },
    ]);
    p1['model_end_points'] = [{ endpoint: 'z', percentage: 100 }];
    expect(endpoints()).toEqual([{ endpoint: 'z', percentage: 100 }]);
    expect(codes(raw).map(([code]) => code)).toContain('TWO_ROUTE_TABLES');
  });

  it.each([
    [
      'a negative percentage',
      [
        { endpoint: 'x', percentage: 120 },
        { endpoint: 'y', percentage: -20 },
      ],
    ],
    [
      'a sum that is neither 100 nor 0',
      [
        { endpoint: 'x', percentage: 60 },
        { endpoint: 'y', percentage: 30 },
      ],
    ],
  ])('refuses %s', (_, table) => {
    const raw = deployedModel();
    Object.assign(raw.component_config.predator_components[0] ?? {}, { model_end_points: table });
    expect(codes(raw).map(([code]) => code)).toContain('ROUTE_PERCENTAGES');
  });

  it('takes 0 as "not set" for deadline and batch size, and refuses less', () => {
    const raw = deployedModel();
    Object.assign(raw.component_config.predator_components[0] ?? {}, { deadline: 0, batch_size: 0 });
    expect(configOf(raw).components[1]).toMatchObject({ deadlineMs: undefined, batchSize: undefined });
    Object.assign(raw.component_config.predator_components[0] ?? {}, { deadline: -1 });
    expect(codes(raw)).toEqual([['INVALID_VALUE', '$.component_config.predator_components[0].deadline']]);
  });

  it.each([
    ['component_config', null],
    ['component_config', undefined],
    ['dag_execution_config', undefined],
  ])('refuses a model whose %s is %s', (name, value) => {
    const { config, problems } = parseModelConfig('m', { ...deployedModel(), [name]: value });
    expect(config).toBeNull();
    expect(problems).toEqual(expect.arrayContaining([expect.objectContaining({ code: 'INFERFLOW_CONFIG_MISSING', path: `$.${name}` })]));
  });

  it('refuses a variable without a type, saying how to write it', () => {
    const raw = deployedModel();
    Object.assign(raw.component_config.numerix_components[0] ?? {}, { score_mapping: { a: 'score' } });
    expect(parseModelConfig('m', raw).problems).toMatchObject([{ severity: 'error', suggestion: 'a@DataTypeFP32' }]);
  });

  it('keeps the defects of the original only with compat', () => {
    const raw = { ...deployedModel(), compat: 'go-1.0' };
    expect(configOf(raw)).toMatchObject({ compat: true, components: [{}, { broadcastSingleScore: true }, {}] });
    expect(codes({ ...raw, compat: 'go-1.1' })).toEqual([['INVALID_VALUE', '$.compat']]);
  });
});

describe('parseModelConfig, telling dialects apart', () => {
  const graph = (dependency: unknown, components: unknown = {}) => ({
    dag_execution_config: { component_dependency: dependency },
    component_config: components,
  });

  it('refuses collections of both', () => {
    expect(codes(graph({}, { feature_components: [], predator_component_config: {} }))[0]).toEqual(['BOTH_DIALECTS', '$.component_config']);
  });

  it('goes by the graph only when there are no collections', () => {
    const hint = (raw: unknown) => codes(raw).filter(([code]) => code === 'INVERTED_EDGE');
    expect(hint(graph({ feature_initializer: ['a'] }))).toEqual([]);
    expect(hint(graph({ a: ['feature_initializer'] }))).toEqual([]);
    expect(hint(graph({ feature_initializer: ['a'] }, { feature_components: [] }))).toHaveLength(1);
    expect(hint(graph({ a: ['feature_initializer'] }, { feature_component_config: {} }))).toHaveLength(1);
  });
});
