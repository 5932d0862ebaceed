import type { Dialect } from '../model-config.js';
import type { ObjectKind } from './object-kinds.js';

/** One setting: its name in both dialects, what it holds and what leaving it out means. */
export interface FieldDefinition {
  readonly object: ObjectKind;
  /** Name used by the parsers and writers. */
  readonly key: string;
  /** Field name in the documented dialect; null: the dialect has no such field. */
  readonly documented: string | null;
  /** Field name in the deployed dialect; null: the dialect has no such field. */
  readonly deployed: string | null;
  readonly type: string;
  readonly default: string;
  readonly meaning: string;
  /** True: an addition of this product; the original ignores it. */
  readonly isOurs: boolean;
}

type Names = string | readonly [documented: string | null, deployed: string | null];

function fieldsOf(
  object: ObjectKind,
  rows: readonly (readonly [key: string, names: Names, type: string, fallback: string, meaning: string, ours?: 'ours'])[],
) {
  return rows.map(([key, names, type, fallback, meaning, ours]): FieldDefinition => {
    const [documented, deployed] = typeof names === 'string' ? [names, names] : names;
    return { object, key, documented, deployed, type, default: fallback, meaning, isOurs: ours === 'ours' };
  });
}

const onFailure = [
  'onFailure',
  'on_failure',
  '`default`, `fail` or `skip_dependents`',
  '`default`',
  'What a failure of this component does: `default` answers with what is there and says so, `fail` fails the request, `skip_dependents` skips what waits for it.',
  'ours',
] as const;
const slate = [
  'slate',
  'slate_component',
  'boolean',
  'false',
  'Runs on the slates (or pairs) of a request instead of its targets.',
] as const;

/** Every setting of a model config. Parsers know no other field, and the reference page is made from this table. */
export const fieldTable: readonly FieldDefinition[] = [
  ...fieldsOf('model', [
    ['graph', 'dag_execution_config', 'object', 'required', 'The graph.'],
    ['components', 'component_config', 'object', 'required', 'The components of the graph and settings they share.'],
    ['response', 'response_config', 'object', '`{}`', 'What is answered and what is logged.'],
    [
      'requestValues',
      'request_values',
      '`text` or `typed`',
      'documented: `typed`; deployed: `text`',
      'How values in Predict requests are read: as text under every declared type, or as bytes of the declared type.',
      'ours',
    ],
    ['compat', 'compat', '`go-1.0`', 'absent', 'Keeps the listed defects of the original for this model.', 'ours'],
    ['deadline', 'deadline', 'integer, ms', "the service's", 'Deadline of a request whose caller sends none.', 'ours'],
  ]),
  ...fieldsOf('graph', [
    [
      'dependency',
      'component_dependency',
      'map of component to list of components',
      'required',
      'Documented: component → components that run after it. Deployed: component → components it waits for. A component without any edge runs after `feature_initializer`; one that is not mentioned at all never runs.',
    ],
  ]),
  ...fieldsOf('components', [
    [
      'feature',
      ['feature_component_config', 'feature_components'],
      'documented: map of name to object; deployed: list of objects',
      'none',
      'Components that fetch features.',
    ],
    [
      'predator',
      ['predator_component_config', 'predator_components'],
      'documented: map of name to object; deployed: list of objects',
      'none',
      'Components that call a model.',
    ],
    [
      'numerix',
      ['numerix_component_config', 'numerix_components'],
      'documented: map of name to object; deployed: list of objects',
      'none',
      'Components that evaluate an expression.',
    ],
    [
      'plugin',
      ['plugin_component_config', 'plugin_components'],
      'documented: map of name to object; deployed: list of objects',
      'none',
      'Components of registered types.',
      'ours',
    ],
    [
      'order',
      'order',
      'list of component names',
      'features, models, expressions, plugins, each in the order written',
      'Order of the components where it matters, such as the order of slate scores in an answer.',
      'ours',
    ],
    [
      'scoreNames',
      ['score_names', null],
      '`component` or `plain`',
      '`plain` if the config refers to scores by their bare names only, else `component`',
      'Column name of a score: `<component>:<score>` or the score’s own name.',
      'ours',
    ],
    ['cacheEnabled', 'cache_enabled', 'boolean', 'false', 'Switch of the feature cache for the model; a component must also ask for it.'],
    [
      'cacheVersion',
      'cache_version',
      'documented: `v<n>` or integer; deployed: integer',
      '0',
      'Part of cache keys (0 counts as 1) and of the log metadata, where 1–15 fit.',
    ],
    ['cacheTtl', 'cache_ttl', 'integer, s', '100 (also for 0)', 'How long a cached row is served.'],
    ['errorLoggingPercent', 'error_logging_percent', 'integer, 0–100', '10', 'Percentage of upstream errors that are logged; 0 logs none.'],
  ]),
  ...fieldsOf('feature', [
    ['name', [null, 'component'], 'text', 'required', 'Name in the graph.'],
    [
      'componentId',
      'component_id',
      'text',
      'the key columns joined by `:`; with `composite_id` and one key column the component’s name',
      'Column that `composite_id` writes; otherwise unused.',
    ],
    [
      'compositeId',
      'composite_id',
      'boolean',
      'false',
      'Writes the key values, joined by a pipe character, to the text column `component_id`.',
    ],
    [
      'keys',
      'fs_keys',
      'documented: object, or list of `{schema, col}`; deployed: list of objects',
      'required',
      'Key columns of the query.',
    ],
    ['query', 'fs_request', 'object', 'nothing is fetched', 'What to ask the feature store for.'],
    ['flattenKeys', 'fs_flatten_resp_keys', 'list of text', 'the key schemas', 'Kept for the original service, which requires it; unused.'],
    [
      'prefix',
      'col_name_prefix',
      'text',
      'empty',
      'Documented: stands for the label in column names (`<prefix>:<group>:<feature>`). Deployed: put before the label as it is.',
    ],
    [
      'prefixMode',
      'col_name_prefix_mode',
      '`replace` or `prepend`',
      'documented: `replace`; deployed: `prepend`',
      'What `col_name_prefix` does: stand for the label, or be put before it.',
      'ours',
    ],
    ['cacheEnabled', 'comp_cache_enabled', 'boolean', 'false', 'Caches rows, if `cache_enabled` is on as well.'],
    ['cacheTtl', 'comp_cache_ttl', 'integer, s', '`cache_ttl` (also for 0)', 'How long this component’s rows are served.'],
    [
      'staleIfError',
      'stale_if_error',
      'integer, s',
      '0 (never)',
      'How long past its TTL a cached row may stand in when the fetch fails.',
      'ours',
    ],
    ['deadline', 'deadline', 'integer, ms', "the service's", 'Deadline of a call.', 'ours'],
    ['batchSize', 'batch_size', 'integer', "the service's", 'Keys per call.', 'ours'],
    onFailure,
  ]),
  ...fieldsOf('key', [
    [
      'schema',
      'schema',
      'documented: list of text or text; deployed: text',
      'required',
      'Key name in the feature store. Several names with one `col` all read that column.',
    ],
    ['column', 'col', 'text; documented also a list as long as `schema`', 'required', 'Column that holds the key value.'],
  ]),
  ...fieldsOf('query', [
    [
      'label',
      ['entity_label', 'label'],
      'text',
      'required if there are groups',
      'Entity label in the feature store, and the first part of column names.',
    ],
    [
      'groups',
      ['feature_groups', 'featureGroups'],
      'list of objects',
      'none',
      'Feature groups to fetch. Groups without features are left out.',
    ],
  ]),
  ...fieldsOf('group', [
    ['label', 'label', 'text', 'required', 'Feature group label.'],
    ['dataType', 'data_type', 'data type', 'documented: `FP32`; deployed: required', 'Type of the group’s features.'],
    [
      'features',
      ['feature_labels', 'features'],
      'list of text; documented also objects',
      'none',
      'Features. `name@DataTypeFP16` asks for the feature in that type; its column has the name without the suffix.',
    ],
  ]),
  ...fieldsOf('label', [
    ['label', ['label', null], 'text', 'required', 'Feature label.', 'ours'],
    ['dataType', ['data_type', null], 'data type', 'the group’s', 'Type to ask for: the same as `label@<type>`.', 'ours'],
  ]),
  ...fieldsOf('predator', [
    ['name', [null, 'component'], 'text', 'required', 'Name in the graph.'],
    ['componentId', 'component_id', 'text', 'empty', 'Required by the original service; unused.'],
    ['modelName', 'model_name', 'text', 'required', 'Model to ask.'],
    ['modelVersion', 'model_version', 'text', '`1`', 'Version to ask.', 'ours'],
    [
      'endpoint',
      ['model_endpoint', 'model_end_point'],
      'text',
      'required unless calls are routed',
      '`host`, `host:port` or `local` (a model in this process). With routing: where calls go that no share takes.',
    ],
    [
      'endpoints',
      'model_end_points',
      'documented: map of endpoint to percentage, or list of objects; deployed: list of objects',
      'none',
      'Routing by percentage; the sum is 100, or 0 for “not in use”.',
    ],
    ['routes', 'route_config', 'list of objects', 'none', 'The same as written by the control plane; used if `model_end_points` is empty.'],
    ['deadline', 'deadline', 'integer, ms', "the service's (also for 0)", 'Deadline of a call.'],
    ['batchSize', 'batch_size', 'integer', 'all rows in one call (also for 0)', 'Rows per call.'],
    [
      'calibration',
      'calibration',
      'documented: object; deployed: text',
      'none',
      'Name of two helper columns, `<name>_model` and `inferflow_config_id`, for use as keys of calibration features.',
    ],
    ['inputs', 'inputs', 'documented: object; deployed: list of objects', 'required', 'Input tensors.'],
    ['outputs', 'outputs', 'documented: object; deployed: list of objects', 'required', 'Output tensors and the score columns they fill.'],
    slate,
    [
      'slateCalls',
      'slate_calls',
      '`per_slate`, `rows` or `dimension`',
      '`per_slate`',
      'How a slate component calls its model: once per slate, with one row per slate, or with the slate as a tensor dimension.',
      'ours',
    ],
    [
      'coalesce',
      'coalesce',
      'boolean',
      'false',
      'Rows of requests that come within one turn of the event loop share calls of up to `batch_size` rows. Not for slates and broadcast scores. A model whose scores depend on the batch they are computed in scores differently with it.',
      'ours',
    ],
    [
      'coalesceWait',
      'coalesce_wait_ms',
      'integer, ms, 0–50',
      '0',
      'How long rows wait for those of further requests. A request never waits longer than half of the time its call has left.',
      'ours',
    ],
    ['broadcast', 'broadcast_single_score', 'boolean', 'false; with `compat` true', 'One returned row stands for all rows.', 'ours'],
    onFailure,
  ]),
  ...fieldsOf('endpoint', [
    ['endpoint', 'endpoint', 'text', 'required', '`host`, `host:port` or `local`.'],
    ['percentage', 'percentage', 'integer', '0', 'Share of the calls.'],
  ]),
  ...fieldsOf('route', [
    ['modelName', 'model_name', 'text', 'the component’s', 'Model to ask there.'],
    ['endpoint', 'model_endpoint', 'text', 'required', '`host`, `host:port` or `local`.'],
    ['percentage', 'routing_percentage', 'number', '0', 'Share of the calls.'],
  ]),
  ...fieldsOf('calibration', [
    ['enabled', ['enabled', null], 'boolean', 'false', 'Adds the helper columns.'],
    ['name', ['name', null], 'text', 'the component’s name', 'First part of the helper column’s name.', 'ours'],
  ]),
  ...fieldsOf('inputs', [
    [
      'featureMap',
      ['feature_map', null],
      'map of column to data type',
      'none',
      'Without `tensors`: one tensor of shape [1] per column, named like the column. With `tensors`: types of their columns.',
    ],
    ['tensors', ['tensors', null], 'list of objects', 'made from `feature_map`', 'Input tensors.', 'ours'],
  ]),
  ...fieldsOf('input', [
    ['name', 'name', 'text', 'required', 'Tensor name.'],
    ['features', 'features', 'list of columns', 'required', 'Columns, in order.'],
    [
      'shape',
      'shape',
      'list of integers',
      'documented: [number of features]; deployed: required',
      'Without the batch dimension; one -1 is worked out. Vectors among the features fill what it leaves; where they cannot, the component fails with reason `shape`.',
    ],
    [
      'dataType',
      'data_type',
      'data type',
      'documented: the type of its first column in `feature_map`, else `FP32`; deployed: required',
      'Tensor type.',
    ],
  ]),
  ...fieldsOf('outputs', [
    [
      'scoreColumns',
      ['score_columns', null],
      'list of text',
      'none',
      'Without `tensors`: one FP32 tensor with one value per row for each, named like the score.',
    ],
    ['tensors', ['tensors', null], 'list of objects', 'made from `score_columns`', 'Output tensors.', 'ours'],
  ]),
  ...fieldsOf('output', [
    ['name', 'name', 'text', 'required', 'Tensor name.'],
    ['dataType', 'data_type', 'data type', 'documented: `FP32`; deployed: required', 'Tensor type, and the type of its score columns.'],
    ['scores', ['scores', null], 'list of objects', 'one, named like the tensor', 'Score columns cut from the tensor, in order.', 'ours'],
    ['modelScores', [null, 'model_scores'], 'list of text', 'none', 'Score columns cut from the tensor, in order.'],
    ['dims', [null, 'model_scores_dims'], 'list of lists of integers', 'required', 'Dimensions of each score column.'],
  ]),
  ...fieldsOf('score', [
    ['name', ['name', null], 'text', 'required', 'Score name.', 'ours'],
    ['dims', ['dims', null], 'list of integers', '[1]', 'Dimensions per row.', 'ours'],
  ]),
  ...fieldsOf('numerix', [
    ['name', [null, 'component'], 'text', 'required', 'Name in the graph.'],
    ['componentId', 'component_id', 'text', 'the id column of the response', 'Column sent as row id.'],
    ['scoreColumn', ['score_column', 'score_col'], 'text', 'required', 'Column that receives the result.'],
    ['dataType', 'data_type', 'data type', 'documented: `FP32`; deployed: required', 'Type of that column.'],
    [
      'mapping',
      'score_mapping',
      'documented: map of column to data type, or list of objects; deployed: map of `<variable>@<data type>` to column',
      'none',
      'Variables of the expression. In the documented map a variable is named like its column.',
    ],
    ['computeId', 'compute_id', 'text', 'required unless `expression` is given', 'Expression to evaluate on the compute service.'],
    ['expression', 'expression', 'text', 'none', 'Postfix expression, evaluated in this process.', 'ours'],
    slate,
    ['deadline', 'deadline', 'integer, ms', "the service's", 'Deadline of a call.', 'ours'],
    ['batchSize', 'batch_size', 'integer', "the service's", 'Rows per call.', 'ours'],
    onFailure,
  ]),
  ...fieldsOf('variable', [
    ['variable', ['variable', null], 'text', 'the column’s name', 'Variable name in the expression.', 'ours'],
    ['column', ['column', null], 'text', 'required', 'Column it reads.', 'ours'],
    ['dataType', ['data_type', null], 'data type', '`FP32`', 'Type it is sent in.', 'ours'],
  ]),
  ...fieldsOf('plugin', [
    ['name', [null, 'component'], 'text', 'required', 'Name in the graph.', 'ours'],
    ['type', 'type', 'text', 'required', 'Registered component type.', 'ours'],
    ['config', 'config', 'any', '`{}`', 'Settings of the plugin, checked by the plugin.', 'ours'],
    slate,
    onFailure,
  ]),
  ...fieldsOf('response', [
    ['features', 'features', 'list of columns', 'none', 'Columns of the answer, in order.'],
    [
      'idColumn',
      'id_column',
      'text',
      'the first of `features`; `id` if there is none or a component writes it',
      'Text column that holds the ids of Predict targets.',
      'ours',
    ],
    [
      'modelSchemaPercent',
      ['model_schema_perc', 'model_schema_features_perc'],
      'integer, 0–100',
      '0',
      'Percentage of users whose RetrieveModelScore answer also holds all model inputs.',
    ],
    ['loggingPercent', 'logging_perc', 'integer, 0–100', '0', 'Percentage of users whose requests are logged.'],
    [
      'logFeatures',
      'log_features',
      'documented: list of columns or boolean; deployed: boolean',
      'all columns',
      'Columns to log. true: those of `features`; false or an empty list: all.',
    ],
    [
      'logFeatureNames',
      [null, 'log_feature_names'],
      'list of columns',
      'none',
      'The documented list, for the deployed dialect; wins over `log_features`.',
      'ours',
    ],
    [
      'scoringLogPercent',
      'scoring_log_perc',
      'integer, 0–100',
      '`INFERFLOW_SCORING_PERCENT`',
      'Percentage of requests with a full record (ScoringLog), where the server has a place for them.',
      'ours',
    ],
    ['logBatchSize', 'log_batch_size', 'integer', '500 (also for 0 and less)', 'Rows per log message.'],
  ]),
];

const byKey = new Map<ObjectKind, Map<string, FieldDefinition>>();
for (const field of fieldTable) byKey.set(field.object, (byKey.get(field.object) ?? new Map()).set(field.key, field));

/** Name of a field in a dialect, null if the dialect has none. Throws for a field that is not in the table: that is a mistake in this package. */
export function fieldName(object: ObjectKind, key: string, dialect: Dialect): string | null {
  const field = byKey.get(object)?.get(key);
  if (field === undefined) throw new RangeError(`field "${object}.${key}" is not in the field table`);
  return dialect === 'documented' ? field.documented : field.deployed;
}

const namesOf = new Map<string, readonly string[]>();

/** All field names of an object in a dialect. */
export function fieldNames(object: ObjectKind, dialect: Dialect): readonly string[] {
  const key = `${object} ${dialect}`;
  let names = namesOf.get(key);
  if (names === undefined) {
    names = fieldTable.flatMap((field) => {
      const name = field.object === object ? field[dialect] : null;
      return name === null ? [] : [name];
    });
    namesOf.set(key, names);
  }
  return names;
}
