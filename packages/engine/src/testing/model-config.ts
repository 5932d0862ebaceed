/** Model configurations in the deployed dialect, for tests: only what a test cares about has to be written. */

interface FeatureOptions {
  readonly entity?: string;
  readonly keys?: readonly (readonly [schema: string, column: string])[];
  readonly composite?: boolean;
  readonly onFailure?: string;
  readonly componentId?: string;
}

/** A feature component: `groups` maps a group label to its type and features. */
export function featureComponent(
  component: string,
  groups: Readonly<Record<string, readonly [dataType: string, ...features: string[]]>>,
  { entity = 'it', keys = [['id', 'item']], composite = false, onFailure, componentId = keys[0]?.[1] ?? 'item' }: FeatureOptions = {},
) {
  return {
    component,
    component_id: componentId,
    ...(composite && { composite_id: true }),
    ...(onFailure !== undefined && { on_failure: onFailure }),
    fs_keys: keys.map(([schema, col]) => ({ schema, col })),
    fs_request: {
      label: entity,
      featureGroups: Object.entries(groups).map(([label, [dataType, ...features]]) => ({ label, data_type: dataType, features })),
    },
    fs_flatten_resp_keys: keys.map(([, col]) => col),
    comp_cache_enabled: false,
  };
}

interface ModelOptions {
  readonly model?: string;
  readonly outputs?: readonly {
    readonly name: string;
    readonly scores: readonly string[];
    readonly dims?: readonly (readonly number[])[];
    readonly type?: string;
  }[];
  readonly score?: string;
  readonly slate?: boolean;
  readonly onFailure?: string;
  readonly deadlineMs?: number;
  readonly batchSize?: number;
  readonly calibration?: string;
  /** Rows of concurrent requests share calls, and wait so long for each other. */
  readonly coalesceMs?: number;
}

/** A model component with one score unless `outputs` says otherwise. */
export function modelComponent(
  component: string,
  inputs: Readonly<Record<string, readonly [type: string, ...features: string[]]>>,
  {
    model = component,
    outputs,
    score = 'score',
    slate = false,
    onFailure,
    deadlineMs = 2000,
    batchSize = 100,
    calibration,
    coalesceMs,
  }: ModelOptions = {},
) {
  return {
    component,
    component_id: 'item',
    model_name: model,
    model_end_point: 'local',
    deadline: deadlineMs,
    batch_size: batchSize,
    ...(calibration !== undefined && { calibration }),
    ...(coalesceMs !== undefined && { coalesce: true, coalesce_wait_ms: coalesceMs }),
    ...(onFailure !== undefined && { on_failure: onFailure }),
    inputs: Object.entries(inputs).map(([name, [dataType, ...features]]) => ({
      name,
      features,
      shape: [features.length],
      data_type: dataType,
    })),
    outputs: (outputs ?? [{ name: 'out', scores: [score] }]).map(({ name, scores, dims, type = 'FP32' }) => ({
      name,
      model_scores: scores,
      model_scores_dims: dims ?? scores.map(() => [1]),
      data_type: type,
    })),
    ...(slate && { slate_component: true }),
  };
}

/** An expression component; `mapping` maps `variable@Type` to a column. */
export function expressionComponent(
  component: string,
  computeId: string,
  mapping: Readonly<Record<string, string>>,
  { score = 'final', slate = false, onFailure }: { readonly score?: string; readonly slate?: boolean; readonly onFailure?: string } = {},
) {
  return {
    component,
    component_id: 'item',
    score_col: score,
    data_type: 'DataTypeFP32',
    compute_id: computeId,
    score_mapping: mapping,
    ...(onFailure !== undefined && { on_failure: onFailure }),
    ...(slate && { slate_component: true }),
  };
}

interface Parts {
  readonly features?: readonly ReturnType<typeof featureComponent>[];
  readonly models?: readonly ReturnType<typeof modelComponent>[];
  readonly expressions?: readonly ReturnType<typeof expressionComponent>[];
  readonly plugins?: readonly {
    readonly component: string;
    readonly type: string;
    readonly config?: unknown;
    readonly slate_component?: boolean;
    readonly on_failure?: string;
  }[];
  /** Component → what it waits for; the start node where nothing is said. */
  readonly waits?: Readonly<Record<string, readonly string[]>>;
  readonly answer: readonly string[];
  readonly modelSchemaPercent?: number;
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** A whole model. */
export function modelConfig({
  features = [],
  models = [],
  expressions = [],
  plugins = [],
  waits = {},
  answer,
  modelSchemaPercent = 0,
  extra = {},
}: Parts) {
  const names = [...features, ...models, ...expressions, ...plugins].map(({ component }) => component);
  return {
    ...extra,
    dag_execution_config: { component_dependency: Object.fromEntries(names.map((name) => [name, waits[name] ?? ['feature_initializer']])) },
    component_config: {
      cache_enabled: false,
      cache_version: 1,
      cache_ttl: 300,
      feature_components: features,
      predator_components: models,
      numerix_components: expressions,
      ...(plugins.length > 0 && { plugin_components: plugins }),
    },
    response_config: {
      features: answer,
      logging_perc: 0,
      log_features: false,
      log_batch_size: 500,
      model_schema_features_perc: modelSchemaPercent,
    },
  };
}
