/** A good model in the documented dialect that uses nearly every setting, to be broken in one place. */
export function documentedModel() {
  return {
    dag_execution_config: {
      component_dependency: {
        feature_initializer: ['item', 'user'],
        item: ['brand', 'ranker'],
        user: ['ranker', 'taste'],
        brand: ['taste', 'ranker'],
        taste: ['blend'],
        ranker: ['blend', 'order'],
        order: [],
        blend: [],
      },
    },
    component_config: {
      cache_enabled: true,
      cache_version: 'v2',
      cache_ttl: 300,
      error_logging_percent: 5,
      score_names: 'component',
      order: ['item', 'user', 'brand', 'taste', 'ranker', 'order', 'blend'],
      feature_component_config: {
        item: {
          fs_keys: { schema: ['item_id'], col: 'item_id' },
          fs_request: {
            entity_label: 'item',
            feature_groups: [
              { label: 'numbers', data_type: 'FP32', feature_labels: ['price', 'rating'] },
              { label: 'texts', data_type: 'String', feature_labels: ['brand', 'title'] },
              { label: 'vectors', data_type: 'FP32Vector', feature_labels: ['image'] },
            ],
          },
          fs_flatten_resp_keys: ['item_id'],
          col_name_prefix: 'item',
          comp_cache_enabled: true,
          comp_cache_ttl: 60,
          stale_if_error: 30,
          deadline: 50,
          batch_size: 200,
          on_failure: 'fail',
        },
        user: {
          fs_keys: { schema: ['user_id'], col: 'user_id' },
          fs_request: {
            entity_label: 'user',
            feature_groups: [{ label: 'profile', data_type: 'FP32', feature_labels: ['age', 'spend'] }],
          },
        },
        brand: {
          fs_keys: { schema: ['brand'], col: 'item:texts:brand' },
          fs_request: {
            entity_label: 'brand',
            feature_groups: [{ label: 'statistics', data_type: 'FP32', feature_labels: ['mean_price'] }],
          },
        },
        taste: {
          component_id: 'taste_key',
          composite_id: true,
          fs_keys: [
            { schema: ['user_id'], col: 'user_id' },
            { schema: ['brand'], col: 'item:texts:brand' },
          ],
          fs_request: {
            entity_label: 'taste',
            feature_groups: [{ label: 'statistics', data_type: 'FP32', feature_labels: ['affinity'] }],
          },
        },
      },
      predator_component_config: {
        ranker: {
          model_name: 'ranker',
          model_version: '3',
          model_endpoint: 'models.example:8001',
          model_end_points: { 'a.example:8001': 60, 'b.example:8001': 40 },
          deadline: 100,
          batch_size: 50,
          calibration: { enabled: false },
          inputs: {
            tensors: [
              {
                name: 'numbers',
                features: ['item:numbers:price', 'item:numbers:rating', 'brand:statistics:mean_price'],
                shape: [3],
                data_type: 'FP32',
              },
              { name: 'user', features: ['user:profile:age', 'user:profile:spend'], shape: [2], data_type: 'FP32' },
              { name: 'title', features: ['item:texts:title'], shape: [1], data_type: 'BYTES' },
              { name: 'image', features: ['item:vectors:image'], shape: [-1], data_type: 'FP32' },
            ],
          },
          outputs: {
            tensors: [
              {
                name: 'scores',
                data_type: 'FP32',
                scores: [
                  { name: 'click', dims: [1] },
                  { name: 'buy', dims: [1] },
                ],
              },
            ],
          },
          slate_component: false,
          coalesce: true,
          on_failure: 'default',
        },
        order: {
          model_name: 'order',
          model_endpoint: 'models.example',
          inputs: { tensors: [{ name: 'x', features: ['ranker:click', 'ranker:buy'], shape: [2], data_type: 'FP32' }] },
          outputs: { tensors: [{ name: 'y', data_type: 'FP32', scores: [{ name: 'value', dims: [1] }] }] },
          slate_component: true,
          slate_calls: 'per_slate',
        },
      },
      numerix_component_config: {
        blend: {
          score_column: 'final',
          data_type: 'FP32',
          component_id: 'item_id',
          score_mapping: [
            { variable: 'click', column: 'ranker:click', data_type: 'FP32' },
            { variable: 'buy', column: 'ranker:buy', data_type: 'FP32' },
            { variable: 'affinity', column: 'taste:statistics:affinity', data_type: 'FP32' },
          ],
          compute_id: '12',
          deadline: 40,
          batch_size: 500,
          slate_component: false,
          on_failure: 'default',
        },
      },
    },
    response_config: {
      id_column: 'item_id',
      features: ['item_id', 'taste_key', 'ranker:click', 'ranker:buy', 'order:value', 'blend:final'],
      model_schema_perc: 5,
      logging_perc: 10,
      log_features: ['item_id', 'blend:final'],
      scoring_log_perc: 1,
      log_batch_size: 100,
    },
    request_values: 'typed',
    deadline: 400,
  };
}

/** The same model as the control plane of the original would write it. */
export function deployedModel() {
  return {
    dag_execution_config: {
      component_dependency: {
        item: ['feature_initializer'],
        user: ['feature_initializer'],
        brand: ['item'],
        taste: ['user', 'brand'],
        ranker: ['item', 'user', 'brand'],
        order: ['ranker'],
        blend: ['ranker', 'taste'],
      },
    },
    component_config: {
      cache_enabled: true,
      cache_version: 2,
      cache_ttl: 300,
      error_logging_percent: 5,
      order: ['item', 'user', 'brand', 'taste', 'ranker', 'order', 'blend'],
      feature_components: [
        {
          component: 'item',
          component_id: 'item_id',
          fs_keys: [{ schema: 'item_id', col: 'item_id' }],
          fs_request: {
            label: 'item',
            featureGroups: [
              { label: 'numbers', data_type: 'DataTypeFP32', features: ['price', 'rating'] },
              { label: 'texts', data_type: 'DataTypeString', features: ['brand', 'title'] },
              { label: 'vectors', data_type: 'DataTypeFP32Vector', features: ['image'] },
            ],
          },
          fs_flatten_resp_keys: ['item_id'],
          comp_cache_enabled: true,
          comp_cache_ttl: 60,
          stale_if_error: 30,
          deadline: 50,
          batch_size: 200,
          on_failure: 'fail',
        },
        {
          component: 'user',
          component_id: 'user_id',
          fs_keys: [{ schema: 'user_id', col: 'user_id' }],
          fs_request: { label: 'user', featureGroups: [{ label: 'profile', data_type: 'DataTypeFP32', features: ['age', 'spend'] }] },
          fs_flatten_resp_keys: ['user_id'],
        },
        {
          component: 'brand',
          component_id: 'brand',
          fs_keys: [{ schema: 'brand', col: 'item:texts:brand' }],
          fs_request: { label: 'brand', featureGroups: [{ label: 'statistics', data_type: 'DataTypeFP32', features: ['mean_price'] }] },
          fs_flatten_resp_keys: ['brand'],
          col_name_prefix: 'parent:',
        },
        {
          component: 'taste',
          component_id: 'taste_key',
          composite_id: true,
          fs_keys: [
            { schema: 'user_id', col: 'user_id' },
            { schema: 'brand', col: 'item:texts:brand' },
          ],
          fs_request: { label: 'taste', featureGroups: [{ label: 'statistics', data_type: 'DataTypeFP32', features: ['affinity'] }] },
          fs_flatten_resp_keys: ['user_id', 'brand'],
        },
      ],
      predator_components: [
        {
          component: 'ranker',
          component_id: 'item_id',
          model_name: 'ranker',
          model_end_point: 'models.example',
          model_end_points: [
            { endpoint: 'a.example', percentage: 60 },
            { endpoint: 'b.example', percentage: 40 },
          ],
          deadline: 100,
          batch_size: 50,
          inputs: [
            {
              name: 'numbers',
              features: ['item:numbers:price', 'item:numbers:rating', 'parent:brand:statistics:mean_price'],
              shape: [3],
              data_type: 'FP32',
            },
            { name: 'user', features: ['user:profile:age', 'user:profile:spend'], shape: [2], data_type: 'FP32' },
            { name: 'title', features: ['item:texts:title'], shape: [1], data_type: 'BYTES' },
            { name: 'image', features: ['item:vectors:image'], shape: [-1], data_type: 'FP32' },
          ],
          outputs: [{ name: 'scores', model_scores: ['click', 'buy'], model_scores_dims: [[1], [1]], data_type: 'FP32' }],
          slate_component: false,
        },
        {
          component: 'order',
          component_id: 'item_id',
          model_name: 'order',
          model_end_point: 'models.example',
          route_config: [
            { model_name: 'order', model_endpoint: 'a.example', routing_percentage: 62.5 },
            { model_name: 'order_next', model_endpoint: 'b.example', routing_percentage: 37.5 },
          ],
          deadline: 100,
          batch_size: 50,
          inputs: [{ name: 'x', features: ['click', 'buy'], shape: [2], data_type: 'FP32' }],
          outputs: [{ name: 'y', model_scores: ['value'], model_scores_dims: [[1]], data_type: 'FP32' }],
          slate_component: true,
        },
      ],
      numerix_components: [
        {
          component: 'blend',
          component_id: 'item_id',
          score_col: 'final',
          data_type: 'DataTypeFP32',
          compute_id: '12',
          score_mapping: {
            'click@DataTypeFP32': 'click',
            'buy@DataTypeFP32': 'buy',
            'affinity@DataTypeFP32': 'taste:statistics:affinity',
          },
          slate_component: false,
        },
      ],
    },
    response_config: {
      features: ['item_id', 'taste_key', 'click', 'buy', 'value', 'final'],
      model_schema_features_perc: 5,
      logging_perc: 10,
      log_features: true,
      log_batch_size: 100,
    },
  };
}
