import { describe, expect, it } from 'vitest';
import { checkModelConfig } from '../check-model-config.js';

const config = (dependencies: Record<string, readonly string[]>) => ({
  dag_execution_config: { component_dependency: { f: ['feature_initializer'], ...dependencies } },
  component_config: {
    feature_components: [
      {
        component: 'f',
        component_id: 'item',
        fs_keys: [{ schema: 'id', col: 'item' }],
        fs_request: { label: 'it', featureGroups: [{ label: 'g', data_type: 'DataTypeFP32', features: ['a'] }] },
        fs_flatten_resp_keys: ['item'],
      },
    ],
  },
  response_config: { features: ['item', 'it:g:a'] },
});

const unknown = (dependencies: Record<string, readonly string[]>) =>
  checkModelConfig('m', config(dependencies))
    .problems.filter(({ code }) => code === 'INFERFLOW_CONFIG_UNKNOWN_COMPONENT')
    .map(({ found }) => found)
    .sort();

describe('lintGraph', () => {
  it('names components that nobody configured, also where only such components wait for them', () => {
    expect(unknown({})).toEqual([]);
    expect(unknown({ ghost: ['spectre'], spectre: ['ghost'] })).toEqual(['ghost', 'spectre']);
    expect(unknown({ f: ['ghost'], ghost: ['spectre'], spectre: [] })).toEqual(['ghost', 'spectre']);
  });
});
