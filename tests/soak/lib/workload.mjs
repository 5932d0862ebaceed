// The graph that most suites run, and the only right answers to it. All values are small whole numbers, so every sum is exact in FP32;
// none is zero, so that a default never passes for a value.
//
//   item (item_id) ─┬─► brand (key: a text fetched with the item) ─┐
//                   ├──────────────────────────────────────────────┼─► ranker ─► score ──┐
//   user (user_id) ─┼──────────────────────────────────────────────┘                     ├─► blend ─► final = 2·score + score2
//                   └─► second ─► score2 ────────────────────────────────────────────────┘
import { bytes, fields, int, join } from '../../../benchmarks/lib/pb.mjs';
import { patient } from './patience.mjs';

export const PATH = '/Predict/InferPointWise';
export const featureNames = { item: ['f0', 'f1', 'f2', 'f3'], user: ['f0', 'f1'], brand: ['f0'] };

function hash(text) {
  let h = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) h = Math.imul(h ^ text.charCodeAt(index), 0x01000193);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 0;
}

/** 1 … 64. */
export const featureValue = (entity, key, feature) => 1 + (hash(`${entity}|${key}|${feature}`) % 64);
export const brandOf = (itemId) => `b${hash(itemId) % 50}`;

/** What the fake models answer for one row: the position of an input counts, and a row of zeros has a score too. */
export function modelScore(inputs) {
  let sum = 1000;
  for (let index = 0; index < inputs.length; index++) sum += inputs[index] * (index + 1);
  return Math.fround(sum);
}
export const blend = (score, score2) => Math.fround(2 * score + score2);

const vector = (entity, key) => featureNames[entity].map((feature) => featureValue(entity, key, feature));
const zeros = (entity) => featureNames[entity].map(() => 0);

/** The right scores of one row. */
export function expectedRow(itemId, userId) {
  const item = vector('item', itemId);
  const score = modelScore([...item, ...vector('user', userId), ...vector('brand', brandOf(itemId))]);
  const score2 = modelScore(item.slice(0, 2));
  return { score, score2, final: blend(score, score2) };
}

/** Every value that a row may hold when parts of its inputs could not be had. What is not among them belongs to another row. */
function allowedWithFaults(itemId, userId) {
  const scores = new Set([null]);
  for (const item of [vector('item', itemId), zeros('item')])
    for (const user of [vector('user', userId), zeros('user')])
      for (const brand of [vector('brand', brandOf(itemId)), zeros('brand')]) scores.add(modelScore([...item, ...user, ...brand]));
  const scores2 = new Set([null, modelScore(vector('item', itemId).slice(0, 2)), modelScore([0, 0])]);
  const finals = new Set([null]);
  for (const a of scores) for (const b of scores2) finals.add(blend(a ?? 0, b ?? 0));
  return { score: scores, score2: scores2, final: finals };
}

const group = (label, dataType, features) => ({ label, data_type: dataType, features });
const feature = (name, keyColumn, groups, cached) => ({
  component: name,
  component_id: keyColumn,
  fs_keys: [{ schema: `${name}_id`, col: keyColumn }],
  fs_request: { label: name, featureGroups: groups },
  fs_flatten_resp_keys: [keyColumn],
  comp_cache_enabled: cached,
  comp_cache_ttl: 60,
});
const columnsOf = (entity) => featureNames[entity].map((name) => `${entity}:stats:${name}`);

/**
 * The configuration, in the deployed dialect.
 * @param modelEndpoint `host:port` of the model server
 */
export function modelConfig(modelEndpoint, { cached = false, deadlineMs = patient(300), batchSize = 6, onFailure, marker = '' } = {}) {
  const predator = (name, model, inputs, score) => ({
    component: name,
    component_id: 'item_id',
    model_name: model + marker,
    model_end_point: modelEndpoint,
    deadline: deadlineMs,
    batch_size: batchSize,
    inputs: [{ name: 'x', features: inputs, shape: [inputs.length], data_type: 'FP32' }],
    outputs: [{ name: 'y', model_scores: [score], model_scores_dims: [[1]], data_type: 'FP32' }],
    ...(onFailure && { on_failure: onFailure }),
  });
  return {
    dag_execution_config: {
      component_dependency: {
        item: ['feature_initializer'],
        user: ['feature_initializer'],
        brand: ['item'],
        ranker: ['item', 'user', 'brand'],
        second: ['item'],
        blend: ['ranker', 'second'],
      },
    },
    component_config: {
      cache_enabled: cached,
      cache_version: 1,
      cache_ttl: 60,
      feature_components: [
        feature('item', 'item_id', [group('stats', 'DataTypeFP32', featureNames.item), group('meta', 'DataTypeString', ['brand'])], cached),
        feature('user', 'user_id', [group('stats', 'DataTypeFP32', featureNames.user)], cached),
        feature('brand', 'item:meta:brand', [group('stats', 'DataTypeFP32', featureNames.brand)], cached),
      ],
      predator_components: [
        predator('ranker', 'ranker', [...columnsOf('item'), ...columnsOf('user'), ...columnsOf('brand')], 'score'),
        predator('second', 'second', columnsOf('item').slice(0, 2), 'score2'),
      ],
      numerix_components: [
        {
          component: 'blend',
          component_id: 'item_id',
          score_col: 'final',
          data_type: 'DataTypeFP32',
          compute_id: 'blend',
          score_mapping: { 'a@DataTypeFP32': 'score', 'b@DataTypeFP32': 'score2' },
        },
      ],
    },
    response_config: { features: ['item_id', 'score', 'score2', 'final'], logging_perc: 0, log_features: false, log_batch_size: 500 },
  };
}

const textType = 14;
let serial = 0;

/** A request for items that no other request names, so that a row of another request can never pass for one of this. */
export function freshRequest(targetCount, modelId = 'soak', pool = 0) {
  const number = serial++;
  const userId = `u${number % 1000}`;
  const itemIds = Array.from({ length: targetCount }, (_, row) => (pool > 0 ? `i${(number * 7 + row) % pool}` : `i${number}-${row}`));
  return { modelId, userId, itemIds, message: requestMessage(modelId, userId, itemIds) };
}

export function requestMessage(modelId, userId, itemIds) {
  return join([
    bytes(1, modelId),
    bytes(2, 'track'),
    bytes(3, join([bytes(1, 'user_id'), bytes(2, userId), int(3, textType)])),
    itemIds.map((id) => bytes(5, bytes(1, id))),
  ]);
}

/** Rows of an answer: texts and numbers as they are on the wire, `null` for a value that is not there. */
export function readAnswer(message) {
  const schema = [];
  const rows = [];
  let requestError = '';
  for (const [number, , value] of fields(message)) {
    if (number === 1) schema.push([...fields(value)].find(([field]) => field === 1)?.[2].toString() ?? '');
    else if (number === 2) {
      const row = { error: '', values: [] };
      for (const [field, , part] of fields(value)) {
        if (field === 1) row.error = part.toString();
        else if (field === 2) row.values.push(part);
      }
      rows.push(row);
    } else if (number === 3) requestError = value.toString();
  }
  return { schema, rows, requestError };
}

const columns = ['score', 'score2', 'final'];

/**
 * Holds an answer against the right one.
 * @param nanIsValue whether NaN may stand in a row without error (where an upstream's NaN is a value that is passed on)
 * @returns `right`, `faulty` rows (with a row error), and `wrong`: what is neither right nor owned up to
 */
export function verify(request, message, nanIsValue = false) {
  const result = { right: 0, faulty: 0, nan: 0, wrong: [], errors: [] };
  const isNan = (value) => nanIsValue && Number.isNaN(value);
  const { schema, rows, requestError } = readAnswer(message);
  if (requestError !== '') result.wrong.push(`request_error ${requestError}`);
  if (schema.join() !== 'item_id,score,score2,final') result.wrong.push(`schema ${schema.join()}`);
  if (rows.length !== request.itemIds.length) result.wrong.push(`${rows.length} rows for ${request.itemIds.length} targets`);
  rows.forEach((row, index) => {
    const itemId = request.itemIds[index];
    if (row.values[0]?.toString() !== itemId) result.wrong.push(`row ${index}: id ${row.values[0]} is not ${itemId}`);
    const expected = expectedRow(itemId, request.userId);
    const found = {};
    columns.forEach((column, position) => {
      const value = row.values[position + 1];
      found[column] = value === undefined || value.length === 0 ? null : value.length === 4 ? value.readFloatLE(0) : Number.NaN;
    });
    if (row.error === '') {
      if (columns.some((column) => isNan(found[column]))) result.nan++;
      for (const column of columns)
        if (found[column] !== expected[column] && !isNan(found[column]))
          result.wrong.push(`row ${index}: ${column} ${found[column]} is not ${expected[column]}, and no row error`);
      result.right++;
      return;
    }
    result.faulty++;
    if (result.errors.length < 4 && !result.errors.includes(row.error)) result.errors.push(row.error);
    const allowed = allowedWithFaults(itemId, request.userId);
    for (const column of columns)
      if (!allowed[column].has(found[column]) && !isNan(found[column]))
        result.wrong.push(`row ${index}: ${column} ${found[column]} under "${row.error}" is no value of this row`);
  });
  return result;
}

/** Answers what it is asked: large answers without large work. */
export const echoConfig = {
  dag_execution_config: { component_dependency: { next: ['feature_initializer'] } },
  component_config: {
    numerix_components: [
      {
        component: 'next',
        component_id: 'item_id',
        score_col: 'next',
        data_type: 'DataTypeFP32',
        expression: 'a 1 +',
        score_mapping: { 'a@DataTypeFP32': 'a' },
      },
    ],
  },
  response_config: { features: ['item_id'] },
};
