import { describe, expect, it } from 'vitest';
import { checkModelConfig } from './check-model-config.js';

const model = {
  dag_execution_config: { component_dependency: { feature_initializer: ['film'], film: ['rating'], rating: [] as string[] } },
  component_config: {
    feature_component_config: {
      film: {
        fs_keys: { schema: 'film_id', col: 'film_id' },
        fs_request: { entity_label: 'film', feature_groups: [{ label: 'release', feature_labels: ['year'] }] },
      },
    },
    predator_component_config: {
      rating: {
        model_name: 'rating',
        model_endpoint: 'models:8080',
        inputs: { feature_map: { 'film:release:year': 'FP32' } },
        outputs: { score_columns: ['rating'] },
      },
    },
  },
  response_config: { features: ['film_id', 'rating:rating'] },
};

describe('checkModelConfig', () => {
  it('accepts a good config', () => {
    expect(checkModelConfig('films', model)).toMatchObject({ config: { modelConfigId: 'films' }, problems: [] });
  });

  it('reports errors of single settings and of the graph at once', () => {
    const bad = structuredClone(model);
    bad.dag_execution_config.component_dependency.rating.push('blend', 'film');
    Object.assign(bad.component_config.predator_component_config.rating, { model_end_points: { 'a:1': 80, 'b:1': 30 } });
    const { config, problems } = checkModelConfig('films', bad);
    expect(config).toBeNull();
    expect(problems.map(({ code }) => code).sort()).toEqual([
      'INFERFLOW_CONFIG_CYCLE',
      'INFERFLOW_CONFIG_ROUTE_PERCENTAGES',
      'INFERFLOW_CONFIG_UNKNOWN_COMPONENT',
    ]);
  });

  it('does not look for more where there is nothing to look at', () => {
    expect(checkModelConfig('films', 'nonsense').problems.map(({ code }) => code)).toEqual(['INFERFLOW_CONFIG_WRONG_TYPE']);
  });
});
