import { describe, expect, it } from 'vitest';
import { checkModelConfig, checkModelConfigInSlices } from './check-model-config.js';
import { SnapshotBuilder } from './source/snapshot-builder.js';

/** A model with this many fetched columns, and this many of the request, all read by one model component. */
function largeModel(fetched: number, requested: number): object {
  const features = Array.from({ length: fetched }, (_, index) => `feature_${index}`);
  const letters = (index: number): string => String.fromCharCode(97 + (index % 26), 97 + (Math.floor(index / 26) % 26));
  const columns = [
    ...features.map((name) => `item:g:${name}`),
    ...Array.from({ length: requested }, (_, index) => `wanted_${letters(index)}${index}`),
  ];
  return {
    dag_execution_config: { component_dependency: { item: ['feature_initializer'], ranker: ['item'] } },
    component_config: {
      feature_components: [
        {
          component: 'item',
          component_id: 'item_id',
          fs_keys: [{ schema: 'item_id', col: 'item_id' }],
          fs_request: { label: 'item', featureGroups: [{ label: 'g', data_type: 'DataTypeFP32', features }] },
        },
      ],
      predator_components: [
        {
          component: 'ranker',
          component_id: 'item_id',
          model_name: 'ranker',
          model_end_point: 'models',
          inputs: [{ name: 'x', features: columns, shape: [columns.length], data_type: 'FP32' }],
          outputs: [{ name: 'y', model_scores: ['score'], model_scores_dims: [[1]], data_type: 'FP32' }],
        },
      ],
    },
    response_config: { features: ['item_id', 'score'] },
  };
}

/** A model with this many model components, all alike but for these settings. */
function manyComponents(count: number, settings: (index: number) => object) {
  const components = Array.from({ length: count }, (_, index) => ({
    component: `ranker_${index}`,
    component_id: 'item_id',
    model_name: 'ranker',
    model_end_point: 'models',
    inputs: [{ name: 'x', features: ['price'], shape: [1], data_type: 'FP32' }],
    outputs: [outputOf(`score_${index}`)],
    ...settings(index),
  }));
  return {
    dag_execution_config: {
      component_dependency: Object.fromEntries(components.map(({ component }) => [component, ['feature_initializer']])),
    },
    component_config: { predator_components: components },
    response_config: { features: ['item_id'] },
  };
}

function outputOf(score: string): object {
  return { name: 'y', model_scores: [score], model_scores_dims: [[1]], data_type: 'FP32' };
}

describe('checkModelConfig of large models', () => {
  it('does not compare every unknown name with every known one', () => {
    const started = performance.now();
    const { config, problems } = checkModelConfig('large', largeModel(20_000, 4000));
    expect(config).not.toBeNull();
    expect(problems.filter(({ code }) => code === 'INFERFLOW_CONFIG_REQUEST_COLUMN')).toHaveLength(4000);
    // Comparing them all takes minutes.
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('reports any number of problems', () => {
    const names = Array.from({ length: 150_000 }, (_, index) => `n${index}`);
    const raw = { ...largeModel(1, 0), response_config: { features: ['item_id'], log_feature_names: names } };
    const { problems } = checkModelConfig('large', raw);
    expect(problems.filter(({ path }) => path.startsWith('$.response_config.log_feature_names'))).toHaveLength(names.length);
  });

  it.each<[string, (index: number) => object]>([
    ['settings of wrong types', () => ({ deadline: 'soon', batch_size: 'ten', inputs: 7, outputs: {} })],
    ['missing settings', () => ({ inputs: [], outputs: [], model_name: '', model_end_point: '', deadline: 'soon' })],
    ['columns with two writers', (index) => ({ outputs: [outputOf(`score${index >> 1}`)] })],
  ])('does not compare every component with every other one: %s', (_what, settings) => {
    const started = performance.now();
    const { problems } = checkModelConfig('large', manyComponents(6000, settings));
    expect(problems.length).toBeGreaterThan(3000);
    // Comparing them all takes several times as long.
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('does not compare every name of an order with every component', () => {
    const raw = manyComponents(4000, () => ({}));
    const order = raw.component_config.predator_components.map(({ component }) => `${component}_old`);
    const started = performance.now();
    const { problems } = checkModelConfig('large', { ...raw, component_config: { ...raw.component_config, order } });
    expect(problems.filter(({ code }) => code === 'INFERFLOW_CONFIG_ORDER')).toHaveLength(4000);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('gives the same in slices, with turns for others in between', async () => {
    const raw = largeModel(20_000, 500);
    let pauses = 0;
    const pause = async (): Promise<void> => {
      pauses++;
    };
    const sliced = await checkModelConfigInSlices('large', raw, pause);
    expect(pauses).toBeGreaterThan(1);
    expect(sliced).toEqual(checkModelConfig('large', raw));
  });

  it('is how a snapshot builder reads a large document ahead', async () => {
    const document = { text: JSON.stringify(largeModel(20_000, 0)), format: 'json' as const };
    let pauses = 0;
    let accepted = 0;
    const builder = new SnapshotBuilder({
      accept: () => {
        accepted++;
        return [];
      },
    });
    await builder.prepareInSlices('large', document, async () => {
      pauses++;
    });
    expect(pauses).toBeGreaterThan(1);
    const { models } = builder.build(new Map([['large', document]]));
    expect(models.get('large')?.state).toBe('live');
    expect(accepted).toBe(1);
  });
});
