import { describe, expect, it } from 'vitest';
import { parseModelConfig } from '../parse/parse-model-config.js';
import { requestCost } from './request-cost.js';

const { config } = parseModelConfig('m', {
  dag_execution_config: {
    component_dependency: {
      feature_initializer: ['item'],
      item: ['ranker'],
      ranker: ['remote', 'own', 'pairs'],
      remote: [],
      own: [],
      pairs: [],
    },
  },
  component_config: {
    feature_component_config: {
      item: {
        fs_keys: { schema: 'id', col: 'id' },
        fs_request: { entity_label: 'item', feature_groups: [{ label: 'g', feature_labels: ['price'] }] },
      },
      joined: { fs_keys: { schema: 'id', col: 'id' }, composite_id: true },
    },
    predator_component_config: {
      ranker: {
        model_name: 'ranker',
        model_endpoint: 'models',
        batch_size: 50,
        inputs: { feature_map: { 'item:g:price': 'FP32' } },
        outputs: { score_columns: ['score'] },
      },
      pairs: {
        model_name: 'pairs',
        model_endpoint: 'models',
        slate_component: true,
        batch_size: 10,
        inputs: { feature_map: { 'ranker:score': 'FP32' } },
        outputs: { score_columns: ['pair_score'] },
      },
    },
    numerix_component_config: {
      remote: { score_column: 'blend', compute_id: '1', score_mapping: { 'ranker:score': 'FP32' } },
      own: { score_column: 'half', expression: 'x 2 /', score_mapping: [{ variable: 'x', column: 'ranker:score' }] },
    },
  },
  response_config: { features: ['id', 'remote:blend', 'own:half', 'pairs:pair_score'] },
});

describe('requestCost', () => {
  it('counts calls, keys and rows of the components that run, but not what is evaluated in this process', () => {
    if (config === null) throw new Error('the model of this test is not valid');
    expect(requestCost(config, 120)).toEqual({
      calls: 3 + 3 + 2 + 1,
      keys: 120,
      rows: 3 * 120,
      components: [
        { component: 'item', calls: 3, keys: 120, rows: 0 },
        { component: 'ranker', calls: 3, keys: 0, rows: 120 },
        { component: 'pairs', calls: 1, keys: 0, rows: 120 },
        { component: 'remote', calls: 2, keys: 0, rows: 120 },
      ],
    });
    expect(requestCost(config, 120, { featureBatchSize: 200 }).calls).toBe(1 + 3 + 2 + 1);
  });
});
