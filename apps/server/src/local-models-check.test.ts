import { createObjectSource } from '@inferflow/config';
import { describe, expect, it } from 'vitest';
import { withLocalModels } from './local-models-check.js';

const model = (modelName: string, endpoint: string): object => ({
  dag_execution_config: { component_dependency: { feature_initializer: ['rating'], rating: [] } },
  component_config: {
    predator_component_config: {
      rating: {
        model_name: modelName,
        model_endpoint: endpoint,
        inputs: { feature_map: { price: 'FP32' } },
        outputs: { score_columns: ['score'] },
      },
    },
  },
  response_config: { features: ['id', 'rating:score'] },
});

describe('withLocalModels', () => {
  it('refuses a model that this process does not have, and leaves others alone', async () => {
    const models = { right: model('movie', 'local'), wrong: model('movies', 'local'), remote: model('movies', 'models:8080') };
    const source = withLocalModels(createObjectSource(models), ['movie']);
    const accepted: string[] = [];
    const snapshot = await source.start(
      () => undefined,
      ({ modelConfigId }) => {
        accepted.push(modelConfigId);
        return [];
      },
    );
    expect([...snapshot.models.values()].map(({ modelConfigId, state }) => [modelConfigId, state])).toEqual([
      ['right', 'live'],
      ['wrong', 'rejected'],
      ['remote', 'live'],
    ]);
    expect(snapshot.models.get('wrong')?.problems).toContainEqual(
      expect.objectContaining({
        code: 'INFERFLOW_CONFIG_UNKNOWN_MODEL',
        path: '$.component_config.predator_component_config.rating.model_name',
        suggestion: 'movie',
      }),
    );
    expect(accepted).toEqual(['right', 'wrong', 'remote']);
    await source.close();
  });

  it('has nothing to say where there are no local models', () => {
    const source = createObjectSource({});
    expect(withLocalModels(source, null)).toBe(source);
  });
});
