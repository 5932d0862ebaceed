// Random model configurations and requests for them. Everything follows from a seed.
const groupKinds = {
  fp32_a: { type: 'fp32', dataType: 'DataTypeFP32', features: ['a', 'b', 'c', 'unit0', 'hole_f'] },
  int32_b: { type: 'int32', dataType: 'DataTypeInt32', features: ['n', 'key0', 'hole_n'] },
  string_c: { type: 'string', dataType: 'DataTypeString', features: ['t', 'key1', 'hole_t'] },
  fp64_d: { type: 'fp64', dataType: 'DataTypeFP64', features: ['x', 'y'] },
  int64_e: { type: 'int64', dataType: 'DataTypeInt64', features: ['big', 'key2'] },
  fp32v3_f: { type: 'fp32v3', dataType: 'DataTypeFP32Vector', features: ['v', 'w'] },
  bool_g: { type: 'bool', dataType: 'DataTypeBool', features: ['flag'] },
};
const tensorTypes = { fp32: 'FP32', int32: 'INT32', string: 'BYTES', fp64: 'FP64', int64: 'INT64', bool: 'BOOL' };
const outputKinds = [
  { suffix: 'FP32__1', type: 'fp32', dims: [[1]] },
  { suffix: 'FP32__2', type: 'fp32', dims: [[1], [1]] },
  { suffix: 'FP32__3', type: 'fp32v3', dims: [[3]] },
  { suffix: 'INT64__1', type: 'int64', dims: [[1]] },
  { suffix: 'FP64__1', type: 'fp64', dims: [[1]] },
];
/** Expressions of the fake compute service, by the end of the compute id. */
export const expressions = { sum: 'a b +', product: 'a b *', mixed: 'a 2 * b -', most: 'a b max' };

/** mulberry32 with the draws that generators want. */
export function createRandom(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const int = (below) => Math.floor(next() * below);
  const random = {
    int,
    chance: (share) => next() < share,
    pick: (list) => list[int(list.length)],
    /** Some of a list, in a random order, at least `least`. */
    some(list, least = 1, most = list.length) {
      const rest = [...list];
      const count = Math.min(rest.length, least + int(Math.max(1, most - least + 1)));
      return Array.from({ length: count }, () => rest.splice(int(rest.length), 1)[0]);
    },
    shuffle: (list) => random.some(list, list.length),
  };
  return random;
}

/**
 * A model: components in the order in which they can run, each with what the naive evaluation needs and what the configuration says.
 * Columns: name → type; `slate` ones belong to slates.
 */
export function randomModel(random, id) {
  const model = { id, components: [], columns: new Map(), requestColumns: ['rk0', 'rk1'] };
  for (const name of ['item_id', 'user_id', ...model.requestColumns]) model.columns.set(name, { type: 'string', writer: null });
  for (let index = 0, count = 1 + random.int(4); index < count; index++) addFeature(random, model, index);
  for (let index = 0, count = random.int(4); index < count; index++) addPredator(random, model, index);
  for (let index = 0, count = random.int(3); index < count; index++) addNumerix(random, model, index);
  if (random.chance(0.4)) addSlatePredator(random, model);
  const answerable = [...model.columns]
    .filter(([name]) => !model.requestColumns.includes(name) && name !== 'item_id')
    .map(([name]) => name);
  const scores = answerable.filter((name) => model.columns.get(name).isScore);
  const others = answerable.filter((name) => !model.columns.get(name).isScore);
  model.response = ['item_id', ...random.shuffle([...scores, ...random.some(others, 0, 5)])];
  model.config = configOf(random, model);
  return model;
}

const columnsOf = (model, accepts) => [...model.columns].filter(([name, column]) => accepts(column, name)).map(([name]) => name);

function policyOf(random) {
  return random.chance(0.12) ? 'skip_dependents' : random.chance(0.04) ? 'fail' : 'default';
}

/** The components that write these columns, and sometimes one more to wait for. */
function dependenciesOf(random, model, names) {
  const writers = new Set(names.map((name) => model.columns.get(name)?.writer).filter((writer) => writer != null));
  const earlier = model.components.filter((component) => component.kind !== 'slate').map(({ name }) => name);
  if (earlier.length > 0 && random.chance(0.15)) writers.add(random.pick(earlier));
  return [...writers];
}

function addFeature(random, model, index) {
  const name = `f${index}`;
  const fault = random.chance(0.07) ? '__err14' : random.chance(0.05) ? '__shortcols' : '';
  const label = `e${index}${fault}`;
  const prefix = random.chance(0.2) ? 'p:' : '';
  const keyable = columnsOf(model, ({ type, isKey, writer }) => writer === null || (isKey && ['string', 'int32', 'int64'].includes(type)));
  const keys = random.some(keyable, 1, random.chance(0.25) ? 2 : 1);
  const groups = random.some(Object.keys(groupKinds), 1, 3).map((group) => ({ group, features: random.some(groupKinds[group].features) }));
  const columns = groups.flatMap(({ group, features }) =>
    features.map((feature) => ({ group, feature, name: `${prefix}${label}:${group}:${feature}`, type: groupKinds[group].type })),
  );
  const dependencies = dependenciesOf(random, model, keys);
  for (const column of columns)
    model.columns.set(column.name, { type: column.type, writer: name, isKey: column.feature.startsWith('key') });
  model.components.push({ kind: 'feature', name, label, keys, groups, columns, prefix, dependencies, onFailure: policyOf(random), fault });
}

function randomInputs(random, model, mayTake) {
  const inputs = [];
  for (let index = 0, count = 1 + random.int(3); index < count; index++) {
    const vectors = columnsOf(model, (column) => column.type === 'fp32v3' && mayTake(column));
    if (vectors.length > 0 && random.chance(0.15)) {
      inputs.push({ name: `in${index}`, type: 'FP32', features: [random.pick(vectors)], width: 3 });
      continue;
    }
    const type = random.pick(['fp32', 'fp32', 'fp32', 'int32', 'string', 'fp64', 'int64', 'bool']);
    const candidates = columnsOf(model, (column) => column.type === type && mayTake(column));
    if (candidates.length === 0) continue;
    const features = random.some(candidates, 1, 4);
    if (random.chance(0.1)) features.push(features[0]);
    inputs.push({ name: `in${index}`, type: tensorTypes[type], features, width: features.length });
  }
  return inputs.length > 0 ? inputs : [{ name: 'in0', type: 'BYTES', features: ['item_id'], width: 1 }];
}

function addPredator(random, model, index) {
  const name = `p${index}`;
  const inputs = randomInputs(random, model, (column) => column.slate !== true);
  const outputs = Array.from({ length: 1 + random.int(2) }, (_, at) => {
    const kind = random.pick(outputKinds);
    return { name: `o${at}__${kind.suffix}`, ...kind, scores: kind.dims.map((__, score) => `${name}_s${at}${score}`) };
  });
  const draw = random.int(100);
  const fault =
    draw < 6 ? '__err14' : draw < 10 ? '__empty' : draw < 14 ? '__dropoutput' : draw < 22 ? '__reorder' : draw < 27 ? '__short' : '';
  const dependencies = dependenciesOf(
    random,
    model,
    inputs.flatMap(({ features }) => features),
  );
  for (const { type, scores } of outputs) for (const score of scores) model.columns.set(score, { type, writer: name, isScore: true });
  const onFailure = fault === '__short' ? 'default' : policyOf(random);
  model.components.push({
    kind: 'predator',
    name,
    model: `m_${model.id}_${index}${fault}`,
    inputs,
    outputs,
    dependencies,
    onFailure,
    fault,
    batchSize: 1 + random.int(12),
  });
}

function addNumerix(random, model, index) {
  const candidates = columnsOf(model, ({ type, slate }) => type === 'fp32' && slate !== true);
  if (candidates.length === 0) return;
  const name = `n${index}`;
  const [a, b] = [random.pick(candidates), random.pick(candidates)];
  const operation = random.pick(Object.keys(expressions));
  const fault = random.chance(0.06) ? '__err14' : '';
  const dependencies = dependenciesOf(random, model, [a, b]);
  const score = `${name}_score`;
  model.columns.set(score, { type: 'fp32', writer: name, isScore: true });
  model.components.push({
    kind: 'numerix',
    name,
    a,
    b,
    operation,
    computeId: `${operation}${fault}`,
    score,
    dependencies,
    onFailure: policyOf(random),
    fault,
  });
}

function addSlatePredator(random, model) {
  const name = 's0';
  const inputs = randomInputs(random, model, (column) => column.slate !== true);
  const outputs = [{ name: 'so__FP32__1', type: 'fp32', dims: [[1]], scores: ['slate_score'] }];
  const fault = random.chance(0.08) ? '__err14' : '';
  const dependencies = dependenciesOf(
    random,
    model,
    inputs.flatMap(({ features }) => features),
  );
  model.columns.set('slate_score', { type: 'fp32', writer: name, isScore: true, slate: true });
  model.components.push({
    kind: 'slate',
    name,
    model: `m_${model.id}__slate${fault}`,
    inputs,
    outputs,
    dependencies,
    onFailure: 'default',
    fault,
    batchSize: 50,
  });
}

function configOf(random, model) {
  const predator = ({ kind, name, model: modelName, inputs, outputs, batchSize, onFailure }) => ({
    component: name,
    component_id: 'item_id',
    model_name: modelName,
    model_end_point: '127.0.0.1',
    deadline: 5000,
    batch_size: batchSize,
    inputs: inputs.map((input) => ({ name: input.name, features: input.features, shape: [input.width], data_type: input.type })),
    outputs: outputs.map((output) => ({
      name: output.name,
      model_scores: output.scores,
      model_scores_dims: output.dims,
      data_type: output.suffix === undefined ? 'FP32' : output.suffix.split('__')[0],
    })),
    on_failure: onFailure,
    ...(kind === 'slate' && { slate_component: true }),
  });
  const of = (...kinds) => random.shuffle(model.components.filter(({ kind }) => kinds.includes(kind)));
  const dependencies = random.shuffle(model.components).map((component) => {
    const waitsFor = component.dependencies.length > 0 ? random.shuffle(component.dependencies) : ['feature_initializer'];
    if (random.chance(0.1)) waitsFor.push(waitsFor[0]);
    return [component.name, waitsFor];
  });
  return {
    dag_execution_config: { component_dependency: Object.fromEntries(dependencies) },
    component_config: {
      cache_enabled: random.chance(0.3),
      cache_version: 1,
      cache_ttl: 60,
      feature_components: of('feature').map((component) => ({
        component: component.name,
        component_id: 'item_id',
        fs_keys: component.keys.map((column, at) => ({ schema: `k${at}`, col: column })),
        fs_request: {
          label: component.label,
          featureGroups: component.groups.map(({ group, features }) => ({ label: group, data_type: groupKinds[group].dataType, features })),
        },
        fs_flatten_resp_keys: ['item_id'],
        comp_cache_enabled: random.chance(0.5),
        ...(component.prefix !== '' && { col_name_prefix: component.prefix }),
        on_failure: component.onFailure,
      })),
      predator_components: of('predator', 'slate').map(predator),
      numerix_components: of('numerix').map((component) => ({
        component: component.name,
        component_id: 'item_id',
        score_col: component.score,
        data_type: 'DataTypeFP32',
        compute_id: component.computeId,
        score_mapping: { 'a@DataTypeFP32': component.a, 'b@DataTypeFP32': component.b },
        on_failure: component.onFailure,
      })),
    },
    response_config: { features: model.response, logging_perc: 0, log_features: false, log_batch_size: 500 },
  };
}

const specialIds = ['', 'empty1', 'missing1', 'hole1', 'hole2', 'é–☃'];

/** A request: ids and texts per target, one text for all, target positions of slates (null for a call without). */
export function randomRequest(random, model) {
  const count = 1 + random.int(random.chance(0.1) ? 60 : 14);
  const text = (prefix) => (random.chance(0.12) ? random.pick(specialIds) : `${prefix}${random.int(25)}`);
  const targets = Array.from({ length: count }, () => ({
    item_id: text('i'),
    ...Object.fromEntries(model.requestColumns.map((name) => [name, text(name)])),
  }));
  const draw = random.int(10);
  const method = draw < 5 ? 'InferPointWise' : draw < 7 ? 'InferPairWise' : draw < 8 ? 'InferSlateWise' : 'RetrieveModelScore';
  const target = () => random.int(count);
  const slates =
    method === 'InferPairWise'
      ? Array.from({ length: 1 + random.int(6) }, () => [target(), target()])
      : method === 'InferSlateWise'
        ? Array.from({ length: 1 + random.int(5) }, () => Array.from({ length: random.int(6) }, target))
        : null;
  return { method, targets, user: text('u'), slates };
}
