/** A valid model configuration that differs from others by its endpoint. */
export function sampleModel(endpoint: string, score = 's'): string {
  return JSON.stringify({
    dag_execution_config: { component_dependency: { ranker: ['feature_initializer'] } },
    component_config: {
      predator_components: [
        {
          component: 'ranker',
          component_id: 'item',
          model_name: 'm',
          model_end_point: endpoint,
          deadline: 100,
          batch_size: 10,
          inputs: [{ name: 'x', features: ['price'], shape: [1], data_type: 'FP32' }],
          outputs: [{ name: 'y', model_scores: [score], model_scores_dims: [[1]], data_type: 'FP32' }],
        },
      ],
    },
    response_config: { features: ['item', score] },
  });
}
