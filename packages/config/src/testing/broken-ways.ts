import { change, type Json, placeOf, valueAt } from './break-model.js';
import { deployedModel, documentedModel } from './whole-models.js';

/** A way to break a model of `whole-models.ts`: what is done, and the code and path of what lint has to say, without the prefix of the codes. */
export type BrokenWay = readonly [what: string, change: (model: Json) => void, ...expected: readonly string[]];

const set =
  (path: string, value: Json | undefined) =>
  (model: Json): void =>
    change(model, placeOf(path), value);
const add =
  (path: string, value: Json) =>
  (model: Json): void => {
    const list = valueAt(model, placeOf(path));
    if (!Array.isArray(list)) throw new Error(`${path} is no list`);
    list.push(value);
  };
const both =
  (...changes: readonly ((model: Json) => void)[]) =>
  (model: Json): void => {
    for (const one of changes) one(model);
  };

const graph = 'dag_execution_config.component_dependency';
const features = 'component_config.feature_component_config';
const models = 'component_config.predator_component_config';
const blend = 'component_config.numerix_component_config.blend';
const item = `${features}.item`;
const ranker = `${models}.ranker`;

const documented: readonly BrokenWay[] = [
  // The graph.
  ['a cycle', add(`${graph}.ranker`, 'brand'), `CYCLE $.${graph}.brand`],
  ['a component that waits for itself', add(`${graph}.ranker`, 'ranker'), `CYCLE $.${graph}.ranker`],
  ['a misspelt component in a list', set(`${graph}.ranker[1]`, 'ordre'), `UNKNOWN_COMPONENT $.${graph}.ranker[1]`],
  ['a component that nobody configured, as a key', set(`${graph}.shelf`, []), `UNKNOWN_COMPONENT $.${graph}.shelf`],
  ['an empty graph', set(graph, {}), `NO_COMPONENTS $.${graph}`],
  ['no graph', set('dag_execution_config', undefined), 'MISSING $.dag_execution_config'],
  ['no component_dependency', set(graph, undefined), `MISSING $.${graph}`],
  ['a component without a name in a list', add(`${graph}.ranker`, ''), `MISSING $.${graph}.ranker[2]`],
  ['a start that waits', add(`${graph}.item`, 'feature_initializer'), `INVERTED_EDGE $.${graph}.item[2]`],
  [
    'a component that is not in the graph',
    both(set(`${graph}.ranker`, ['blend']), set(`${graph}.order`, undefined)),
    `UNUSED_COMPONENT $.${models}.order`,
  ],
  ['a key column that is produced too late', set(`${graph}.item`, ['ranker']), `READ_BEFORE_WRITE $.${features}.brand.fs_keys.col`],
  ['a model before its features', set(`${graph}.user`, ['taste']), `READ_BEFORE_WRITE $.${ranker}.inputs.tensors[1].features[0]`],
  ['an expression before its model', set(`${graph}.ranker`, ['order']), `READ_BEFORE_WRITE $.${blend}.score_mapping[0].column`],
  [
    'an inverted edge',
    both(set(`${graph}.ranker`, ['order']), set(`${graph}.blend`, ['ranker'])),
    `READ_BEFORE_WRITE $.${blend}.score_mapping[0].column`,
    `INVERTED_EDGE $.${graph}.blend[0]`,
  ],
  // Sections.
  ['no components', set('component_config', undefined), 'MISSING $.component_config'],
  ['components that are null', set('component_config', null), 'MISSING $.component_config'],
  ['collections of both dialects', set('component_config.predator_components', []), 'BOTH_DIALECTS $.component_config'],
  ['only expressions', both(set(features, undefined), set(models, undefined)), 'NO_COMPONENTS $.component_config'],
  [
    'two components of one name',
    set(`${features}.ranker`, documentedModel().component_config.feature_component_config.user),
    `NAME_CLASH $.${ranker}`,
  ],
  [
    'a component named like the start',
    set(`${models}.feature_initializer`, documentedModel().component_config.predator_component_config.order),
    `NAME_CLASH $.${models}.feature_initializer`,
  ],
  // Settings of the model.
  ['a cache version that is no number', set('component_config.cache_version', 'two'), 'INVALID_VALUE $.component_config.cache_version'],
  ['a cache version that logs cannot hold', set('component_config.cache_version', 'v16'), 'CACHE_VERSION $.component_config.cache_version'],
  ['more than all errors logged', set('component_config.error_logging_percent', 101), 'CLAMPED $.component_config.error_logging_percent'],
  ['an unknown way to name scores', set('component_config.score_names', 'bare'), 'INVALID_VALUE $.component_config.score_names'],
  ['an order with an unknown component', set('component_config.order[0]', 'itme'), 'ORDER $.component_config.order[0]'],
  ['an order with a component twice', add('component_config.order', 'item'), 'ORDER $.component_config.order[7]'],
  ['an unknown way to read requests', set('request_values', 'bytes'), 'INVALID_VALUE $.request_values'],
  ['an unknown compat', set('compat', 'go-2.0'), 'INVALID_VALUE $.compat'],
  ['deadlines that do not fit', set('deadline', 180), 'DEADLINE $.deadline'],
  ['a deadline that is longer than the request', set(`${ranker}.deadline`, 900), `DEADLINE $.${ranker}.deadline`],
  ['a time to live beyond all timers', set('component_config.cache_ttl', 1e12), 'CLAMPED $.component_config.cache_ttl'],
  // Components that fetch.
  ['no keys', set(`${item}.fs_keys`, undefined), `MISSING $.${item}.fs_keys`],
  ['an empty list of keys', set(`${item}.fs_keys`, []), `MISSING $.${item}.fs_keys`],
  ['a key without a name', set(`${item}.fs_keys.schema`, ['']), `INVALID_VALUE $.${item}.fs_keys.schema[0]`],
  ['a key without names', set(`${item}.fs_keys.schema`, []), `MISSING $.${item}.fs_keys.schema`],
  ['a key without a column', set(`${item}.fs_keys.col`, undefined), `MISSING $.${item}.fs_keys.col`],
  [
    'keys and columns that are no pairs',
    set(`${item}.fs_keys`, { schema: ['a', 'b', 'c'], col: ['item_id', 'user_id'] }),
    `INVALID_VALUE $.${item}.fs_keys.col`,
  ],
  ['a key that is asked for twice', set(`${features}.taste.fs_keys[1].schema`, ['user_id']), `REPEATED $.${features}.taste.fs_keys[1].col`],
  ['a misspelt key column', set(`${features}.user.fs_keys.col`, 'user_di'), `LIKELY_TYPO $.${features}.user.fs_keys.col`],
  [
    'a key column of another component, misspelt',
    set(`${features}.brand.fs_keys.col`, 'item:texts:brnad'),
    `LIKELY_TYPO $.${features}.brand.fs_keys.col`,
  ],
  ['no entity', set(`${item}.fs_request.entity_label`, undefined), `MISSING $.${item}.fs_request.entity_label`],
  [
    'a group without a label',
    set(`${item}.fs_request.feature_groups[0].label`, ''),
    `MISSING $.${item}.fs_request.feature_groups[0].label`,
  ],
  [
    'a group of an unknown type',
    set(`${item}.fs_request.feature_groups[0].data_type`, 'FP31'),
    `UNKNOWN_DATA_TYPE $.${item}.fs_request.feature_groups[0].data_type`,
  ],
  [
    'a group of no type',
    set(`${item}.fs_request.feature_groups[0].data_type`, ''),
    `UNKNOWN_DATA_TYPE $.${item}.fs_request.feature_groups[0].data_type`,
  ],
  [
    'a feature without a name',
    set(`${item}.fs_request.feature_groups[0].feature_labels[1]`, ''),
    `MISSING $.${item}.fs_request.feature_groups[0].feature_labels[1]`,
  ],
  [
    'a feature twice',
    add(`${item}.fs_request.feature_groups[0].feature_labels`, 'price'),
    `TWO_WRITERS $.${item}.fs_request.feature_groups[0].feature_labels[2]`,
  ],
  [
    'a feature that nobody reads',
    add(`${item}.fs_request.feature_groups[0].feature_labels`, 'weight'),
    'UNUSED_COLUMN $'.concat(`.${item}.fs_request.feature_groups[0].feature_labels[2]`),
  ],
  [
    'a feature that is not fetched any more',
    set(`${item}.fs_request.feature_groups[0].feature_labels`, ['price']),
    `LIKELY_TYPO $.${ranker}.inputs.tensors[0].features[1]`,
  ],
  ['a component that fetches nothing', set(`${features}.brand.fs_request`, undefined), `NOTHING_FETCHED $.${features}.brand.fs_request`],
  [
    'two components that fetch one column',
    set(`${features}.user.fs_request`, documentedModel().component_config.feature_component_config.item.fs_request),
    `TWO_WRITERS $.${features}.user.fs_request.feature_groups[0].feature_labels[0]`,
  ],
  ['a prefix that columns do not have', set(`${item}.col_name_prefix`, 'itm'), `LIKELY_TYPO $.${features}.brand.fs_keys.col`],
  ['an unknown reaction to failure', set(`${item}.on_failure`, 'ignore'), `INVALID_VALUE $.${item}.on_failure`],
  [
    'a key that joins into a fetched column',
    set(`${features}.taste.component_id`, 'taste:statistics:affinity'),
    `TWO_WRITERS $.${features}.taste.fs_request.feature_groups[0].feature_labels[0]`,
  ],
  // Components that call a model.
  ['no model', set(`${ranker}.model_name`, undefined), `MISSING $.${ranker}.model_name`],
  ['an empty model name', set(`${ranker}.model_name`, ''), `MISSING $.${ranker}.model_name`],
  ['a model name with a blank', set(`${ranker}.model_name`, 'ranker '), `LIKELY_TYPO $.${ranker}.model_name`],
  ['no endpoint', set(`${models}.order.model_endpoint`, undefined), `MISSING $.${models}.order.model_endpoint`],
  [
    'an endpoint that is no address',
    set(`${models}.order.model_endpoint`, 'models example:80'),
    `INVALID_VALUE $.${models}.order.model_endpoint`,
  ],
  [
    'an endpoint with an impossible port',
    set(`${ranker}.model_end_points`, { 'a.example:99999': 100 }),
    `INVALID_VALUE $.${ranker}.model_end_points["a.example:99999"]`,
  ],
  ['shares of 110', set(`${ranker}.model_end_points["a.example:8001"]`, 70), `ROUTE_PERCENTAGES $.${ranker}.model_end_points`],
  ['shares of 90', set(`${ranker}.model_end_points["b.example:8001"]`, 30), `ROUTE_PERCENTAGES $.${ranker}.model_end_points`],
  [
    'a negative share',
    both(set(`${ranker}.model_end_points["a.example:8001"]`, 110), set(`${ranker}.model_end_points["b.example:8001"]`, -10)),
    `ROUTE_PERCENTAGES $.${ranker}.model_end_points["b.example:8001"]`,
  ],
  [
    'two route tables',
    set(`${ranker}.route_config`, [{ model_endpoint: 'c.example', routing_percentage: 100 }]),
    `TWO_ROUTE_TABLES $.${ranker}.route_config`,
  ],
  ['no inputs', set(`${ranker}.inputs`, undefined), `MISSING $.${ranker}.inputs`],
  ['an empty list of inputs', set(`${ranker}.inputs.tensors`, []), `MISSING $.${ranker}.inputs`],
  ['an input without a name', set(`${ranker}.inputs.tensors[1].name`, ''), `MISSING $.${ranker}.inputs.tensors[1].name`],
  ['two inputs of one name', set(`${ranker}.inputs.tensors[1].name`, 'numbers'), `INVALID_VALUE $.${ranker}.inputs.tensors[1]`],
  ['an input without columns', set(`${ranker}.inputs.tensors[1].features`, []), `MISSING $.${ranker}.inputs.tensors[1].features`],
  [
    'a column without a name',
    set(`${ranker}.inputs.tensors[1].features[0]`, ''),
    `INVALID_VALUE $.${ranker}.inputs.tensors[1].features[0]`,
  ],
  ['a shape that is too large', set(`${ranker}.inputs.tensors[0].shape`, [4]), `SHAPE_MISMATCH $.${ranker}.inputs.tensors[0].shape`],
  ['a shape that is too small', set(`${ranker}.inputs.tensors[0].shape`, [2]), `SHAPE_MISMATCH $.${ranker}.inputs.tensors[0].shape`],
  [
    'a shape of two dimensions that does not fit',
    set(`${ranker}.inputs.tensors[0].shape`, [2, 2]),
    `SHAPE_MISMATCH $.${ranker}.inputs.tensors[0].shape`,
  ],
  ['a dimension of 0', set(`${ranker}.inputs.tensors[0].shape`, [0]), `INVALID_VALUE $.${ranker}.inputs.tensors[0].shape[0]`],
  ['two open dimensions', set(`${ranker}.inputs.tensors[3].shape`, [-1, -1]), `INVALID_VALUE $.${ranker}.inputs.tensors[3].shape[1]`],
  ['an empty shape', set(`${ranker}.inputs.tensors[0].shape`, []), `MISSING $.${ranker}.inputs.tensors[0].shape`],
  [
    'an unknown tensor type',
    set(`${ranker}.inputs.tensors[0].data_type`, 'FLOAT'),
    `UNKNOWN_DATA_TYPE $.${ranker}.inputs.tensors[0].data_type`,
  ],
  [
    'a tensor type that servers do not have',
    set(`${ranker}.inputs.tensors[0].data_type`, 'FP8E4M3'),
    `UNKNOWN_DATA_TYPE $.${ranker}.inputs.tensors[0].data_type`,
  ],
  [
    'a text sent as a number',
    set(`${ranker}.inputs.tensors[2].data_type`, 'FP32'),
    `TEXT_AS_NUMBER $.${ranker}.inputs.tensors[2].features[0]`,
  ],
  [
    'a misspelt column',
    set(`${ranker}.inputs.tensors[0].features[0]`, 'item:numbers:pirce'),
    `LIKELY_TYPO $.${ranker}.inputs.tensors[0].features[0]`,
  ],
  [
    'a column of an unknown feature',
    set(`${ranker}.inputs.tensors[0].features[0]`, 'item:numbers:discount'),
    `LIKELY_TYPO $.${ranker}.inputs.tensors[0].features[0]`,
  ],
  ['no outputs', set(`${ranker}.outputs`, undefined), `MISSING $.${ranker}.outputs`],
  ['outputs without scores', set(`${ranker}.outputs.tensors[0].scores`, []), `INVALID_VALUE $.${ranker}.outputs`],
  [
    'a score without a name',
    set(`${ranker}.outputs.tensors[0].scores[1].name`, ''),
    `MISSING $.${ranker}.outputs.tensors[0].scores[1].name`,
  ],
  ['a score twice', set(`${ranker}.outputs.tensors[0].scores[1].name`, 'click'), `TWO_WRITERS $.${ranker}.outputs.tensors[0].scores[1]`],
  [
    'a score of 0 values',
    set(`${ranker}.outputs.tensors[0].scores[1].dims`, [0]),
    `INVALID_VALUE $.${ranker}.outputs.tensors[0].scores[1].dims[0]`,
  ],
  [
    'two outputs of one name',
    add(`${ranker}.outputs.tensors`, { name: 'scores', data_type: 'FP32', scores: [{ name: 'other' }] }),
    `INVALID_VALUE $.${ranker}.outputs.tensors[1]`,
  ],
  [
    'a misspelt score',
    set(`${models}.order.inputs.tensors[0].features[0]`, 'ranker:clik'),
    `LIKELY_TYPO $.${models}.order.inputs.tensors[0].features[0]`,
  ],
  ['an unknown way of slate calls', set(`${models}.order.slate_calls`, 'all'), `INVALID_VALUE $.${models}.order.slate_calls`],
  [
    'a target that reads a slate score',
    set(`${blend}.score_mapping[0].column`, 'order:value'),
    `SLATE_COLUMN $.${blend}.score_mapping[0].column`,
  ],
  [
    'a slate score that is not answered',
    set('response_config.features[4]', 'taste:statistics:affinity'),
    'SLATE_NOT_ANSWERED $.response_config.features',
  ],
  // Expressions.
  ['no expression', set(`${blend}.compute_id`, undefined), `MISSING $.${blend}.compute_id`],
  ['no score column', set(`${blend}.score_column`, ''), `MISSING $.${blend}.score_column`],
  [
    'a score column of another component',
    both(set('component_config.score_names', 'plain'), set(`${blend}.score_column`, 'click')),
    `TWO_WRITERS $.${blend}.score_column`,
  ],
  ['an unknown type of the result', set(`${blend}.data_type`, 'Float'), `UNKNOWN_DATA_TYPE $.${blend}.data_type`],
  [
    'an unknown type of a variable',
    set(`${blend}.score_mapping[1].data_type`, 'FP23'),
    `UNKNOWN_DATA_TYPE $.${blend}.score_mapping[1].data_type`,
  ],
  ['a variable twice', set(`${blend}.score_mapping[1].variable`, 'click'), `INVALID_VALUE $.${blend}.score_mapping[1].column`],
  ['a variable without a column', set(`${blend}.score_mapping[1].column`, ''), `MISSING $.${blend}.score_mapping[1].column`],
  [
    'a text as a variable',
    set(`${blend}.score_mapping[1].column`, 'item:texts:title'),
    `TEXT_AS_NUMBER $.${blend}.score_mapping[1].column`,
  ],
  [
    'a vector as a variable',
    set(`${blend}.score_mapping[1].column`, 'item:vectors:image'),
    `NO_CONVERSION $.${blend}.score_mapping[1].column`,
  ],
  [
    'an expression that reads its own result',
    set(`${blend}.score_mapping[1].column`, 'blend:final'),
    `READ_BEFORE_WRITE $.${blend}.score_mapping[1].column`,
  ],
  // The answer.
  ['an empty answer', set('response_config.features', []), 'EMPTY_ANSWER $.response_config.features'],
  ['no answer', set('response_config', undefined), 'EMPTY_ANSWER $.response_config.features'],
  ['an answered column without a name', set('response_config.features[2]', ''), 'INVALID_VALUE $.response_config.features[2]'],
  ['a misspelt answered column', set('response_config.features[5]', 'blend:finla'), 'LIKELY_TYPO $.response_config.features[5]'],
  [
    'a bare name of two scores',
    both(set(`${models}.order.outputs.tensors[0].scores[0].name`, 'click'), set('response_config.features[2]', 'click')),
    'AMBIGUOUS_SCORE $.response_config.features[2]',
  ],
  ['a misspelt logged column', set('response_config.log_features[1]', 'blend:fnal'), 'LIKELY_TYPO $.response_config.log_features[1]'],
  ['more than everybody logged', set('response_config.logging_perc', 150), 'CLAMPED $.response_config.logging_perc'],
  ['a logging percentage as text', set('response_config.logging_perc', '10'), 'WRONG_TYPE $.response_config.logging_perc'],
];

const own = 'component_config';
const first = `${own}.predator_components[0]`;
const deployed: readonly BrokenWay[] = [
  ['a cycle', add(`${graph}.brand`, 'ranker'), `CYCLE $.${graph}.brand`],
  ['an unknown dependency', set(`${graph}.blend[0]`, 'rankr'), `UNKNOWN_COMPONENT $.${graph}.blend[0]`],
  ['an unknown component', set(`${graph}.shelf`, ['item']), `UNKNOWN_COMPONENT $.${graph}.shelf`],
  ['edges of the other dialect', set(`${graph}.feature_initializer`, ['item']), `INVERTED_EDGE $.${graph}.feature_initializer[0]`],
  [
    'a key column that is produced too late',
    set(`${graph}.brand`, ['feature_initializer']),
    `READ_BEFORE_WRITE $.${own}.feature_components[2].fs_keys[0].col`,
  ],
  ['a component without a name', set(`${own}.feature_components[0].component`, ''), `MISSING $.${own}.feature_components[0].component`],
  [
    'a component twice',
    add(`${own}.feature_components`, deployedModel().component_config.feature_components[1] as Json),
    `DUPLICATE_COMPONENT $.${own}.feature_components[4]`,
  ],
  ['one name for two kinds', set(`${own}.numerix_components[0].component`, 'ranker'), `NAME_CLASH $.${own}.numerix_components[0]`],
  ['maps and lists', set(`${own}.feature_component_config`, {}), `BOTH_DIALECTS $.${own}`],
  [
    'no component_id where keys are joined',
    set(`${own}.feature_components[3].component_id`, undefined),
    `MISSING $.${own}.feature_components[3].component_id`,
  ],
  ['no component_id', set(`${first}.component_id`, undefined), `DEFAULTED $.${first}.component_id`],
  [
    'keys as an object',
    set(`${own}.feature_components[0].fs_keys`, { schema: 'item_id', col: 'item_id' }),
    `WRONG_TYPE $.${own}.feature_components[0].fs_keys`,
  ],
  [
    'the group names of the other dialect',
    set(`${own}.feature_components[0].fs_request.feature_groups`, []),
    `UNKNOWN_FIELD $.${own}.feature_components[0].fs_request.feature_groups`,
  ],
  [
    'a group without a type',
    set(`${own}.feature_components[1].fs_request.featureGroups[0].data_type`, undefined),
    `UNKNOWN_DATA_TYPE $.${own}.feature_components[1].fs_request.featureGroups[0].data_type`,
  ],
  ['shares of 99', set(`${first}.model_end_points[0].percentage`, 59), `ROUTE_PERCENTAGES $.${first}.model_end_points`],
  [
    'a negative share',
    both(set(`${first}.model_end_points[0].percentage`, 140), set(`${first}.model_end_points[1].percentage`, -40)),
    `ROUTE_PERCENTAGES $.${first}.model_end_points[1].percentage`,
  ],
  ['a share with a fraction', set(`${first}.model_end_points[0].percentage`, 60.5), `WRONG_TYPE $.${first}.model_end_points[0].percentage`],
  ['a share without an endpoint', set(`${first}.model_end_points[1].endpoint`, ''), `MISSING $.${first}.model_end_points[1].endpoint`],
  [
    'an endpoint that is no address',
    set(`${first}.model_end_points[1].endpoint`, 'b example'),
    `INVALID_VALUE $.${first}.model_end_points[1].endpoint`,
  ],
  [
    'routes of 90',
    set(`${own}.predator_components[1].route_config[0].routing_percentage`, 52.5),
    `ROUTE_PERCENTAGES $.${own}.predator_components[1].route_config`,
  ],
  [
    'a route to no address',
    set(`${own}.predator_components[1].route_config[0].model_endpoint`, 'a:b:c'),
    `INVALID_VALUE $.${own}.predator_components[1].route_config[0].model_endpoint`,
  ],
  ['no shape', set(`${first}.inputs[0].shape`, undefined), `MISSING $.${first}.inputs[0].shape`],
  ['a shape that does not fit', set(`${first}.inputs[0].shape`, [5]), `SHAPE_MISMATCH $.${first}.inputs[0].shape`],
  ['no type', set(`${first}.inputs[0].data_type`, undefined), `UNKNOWN_DATA_TYPE $.${first}.inputs[0].data_type`],
  ['a tensor twice', set(`${first}.inputs[1].name`, 'numbers'), `INVALID_VALUE $.${first}.inputs[1]`],
  [
    'fewer dimensions than scores',
    set(`${first}.outputs[0].model_scores_dims`, [[1]]),
    `INVALID_VALUE $.${first}.outputs[0].model_scores_dims`,
  ],
  ['flat dimensions', set(`${first}.outputs[0].model_scores_dims`, [1, 1]), `WRONG_TYPE $.${first}.outputs[0].model_scores_dims[0]`],
  ['a score without a name', set(`${first}.outputs[0].model_scores[1]`, ''), `MISSING $.${first}.outputs[0].model_scores[1]`],
  ['a score twice', set(`${first}.outputs[0].model_scores[1]`, 'click'), `TWO_WRITERS $.${first}.outputs[0].model_scores[1]`],
  [
    'a score of two models',
    set(`${own}.predator_components[1].outputs[0].model_scores[0]`, 'buy'),
    `TWO_WRITERS $.${own}.predator_components[1].outputs[0].model_scores[0]`,
  ],
  [
    'a variable without a type',
    set(`${own}.numerix_components[0].score_mapping.age`, 'user:profile:age'),
    `INVALID_VALUE $.${own}.numerix_components[0].score_mapping.age`,
  ],
  [
    'a variable without a column',
    set(`${own}.numerix_components[0].score_mapping["buy@DataTypeFP32"]`, ''),
    `MISSING $.${own}.numerix_components[0].score_mapping["buy@DataTypeFP32"]`,
  ],
  [
    'no type of the result',
    set(`${own}.numerix_components[0].data_type`, undefined),
    `UNKNOWN_DATA_TYPE $.${own}.numerix_components[0].data_type`,
  ],
  ['a version as text', set(`${own}.cache_version`, 'v2'), `WRONG_TYPE $.${own}.cache_version`],
  ['logged columns as a list', set('response_config.log_features', ['item_id']), 'WRONG_TYPE $.response_config.log_features'],
  [
    'a negative percentage',
    set('response_config.model_schema_features_perc', -5),
    'INVALID_VALUE $.response_config.model_schema_features_perc',
  ],
  ['a misspelt score', set('response_config.features[2]', 'clikc'), 'LIKELY_TYPO $.response_config.features[2]'],
];

/** Each wrong in one way, in the dialect that it is written for. */
export const brokenWays = { documented, deployed } as const;
