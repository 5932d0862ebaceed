/** The objects a model config is made of, with the place of each in both dialects (null: not written as an object there). */
export const objectKinds = {
  model: { documented: '$', deployed: '$', title: 'Model' },
  graph: { documented: '$.dag_execution_config', deployed: '$.dag_execution_config', title: 'Graph' },
  components: { documented: '$.component_config', deployed: '$.component_config', title: 'Components' },
  feature: {
    documented: '$.component_config.feature_component_config.<name>',
    deployed: '$.component_config.feature_components[]',
    title: 'Feature component',
  },
  key: { documented: '….fs_keys', deployed: '….fs_keys[]', title: 'Feature component: keys' },
  query: { documented: '….fs_request', deployed: '….fs_request', title: 'Feature component: query' },
  group: {
    documented: '….fs_request.feature_groups[]',
    deployed: '….fs_request.featureGroups[]',
    title: 'Feature component: feature group',
  },
  label: { documented: '….feature_groups[].feature_labels[]', deployed: null, title: 'Feature component: feature written as an object' },
  predator: {
    documented: '$.component_config.predator_component_config.<name>',
    deployed: '$.component_config.predator_components[]',
    title: 'Predator component',
  },
  endpoint: { documented: '….model_end_points[]', deployed: '….model_end_points[]', title: 'Predator component: endpoint' },
  route: { documented: '….route_config[]', deployed: '….route_config[]', title: 'Predator component: route' },
  calibration: { documented: '….calibration', deployed: null, title: 'Predator component: calibration' },
  inputs: { documented: '….inputs', deployed: null, title: 'Predator component: inputs' },
  input: { documented: '….inputs.tensors[]', deployed: '….inputs[]', title: 'Predator component: input tensor' },
  outputs: { documented: '….outputs', deployed: null, title: 'Predator component: outputs' },
  output: { documented: '….outputs.tensors[]', deployed: '….outputs[]', title: 'Predator component: output tensor' },
  score: { documented: '….outputs.tensors[].scores[]', deployed: null, title: 'Predator component: score of an output tensor' },
  numerix: {
    documented: '$.component_config.numerix_component_config.<name>',
    deployed: '$.component_config.numerix_components[]',
    title: 'Numerix component',
  },
  variable: { documented: '….score_mapping[]', deployed: null, title: 'Numerix component: variable' },
  plugin: {
    documented: '$.component_config.plugin_component_config.<name>',
    deployed: '$.component_config.plugin_components[]',
    title: 'Plugin component',
  },
  response: { documented: '$.response_config', deployed: '$.response_config', title: 'Response' },
} as const;

/** One of the objects a model config is made of. */
export type ObjectKind = keyof typeof objectKinds;
