import { CALLER, startFakes, TOKEN } from '../../conformance/wire/fakes.mjs';
import { decode, encode, MESSAGES, METHODS } from '../../conformance/wire/lib/pb.mjs';
import { Client } from './lib/client.mjs';
import { evaluate } from './lib/naive-model.mjs';
import { patient } from './lib/patience.mjs';
import { createRandom, expressions, randomModel, randomRequest } from './lib/random-model.mjs';
import { startServer } from './lib/server-process.mjs';
import { until } from './lib/suite-run.mjs';

export const name = 'random-models';
export const about = 'random graphs, configurations and requests over the wire against a naive evaluation: same answers, nothing hung';
export const short = (run) => suite(run, { models: 80, requests: 8 });
export const long = (run, minutes) => suite(run, { models: 1250, requests: 8, minutes });

// The kit knows the original's messages; row errors of the text API are ours.
MESSAGES.InferflowResponseProto[101] = ['row_errors', 'IfRowError[]'];
MESSAGES.IfRowError = { 1: ['row', 'int32'], 2: ['error', 'string'] };

const modelsAtOnce = 40;
const shownDifferences = 12;

async function suite(run, { models: modelCount, requests: requestCount, minutes }) {
  const seed = Number(process.env.SOAK_SEED ?? Date.now() % 1_000_000_000);
  run.note(`seed ${seed} (SOAK_SEED=${seed} repeats it)`);
  const fakes = await startFakes();
  run.defer(() => fakes.close());
  for (const [id, expression] of Object.entries(expressions))
    Object.assign(fakes.expressions, { [id]: expression, [`${id}__err14`]: expression });
  const server = await startServer(run, { env: environment(fakes) });
  const client = new Client(server.port);
  const totals = { models: 0, requests: 0, rows: 0, failedRequests: 0, rowErrors: 0, slowest: 0, methods: new Set() };
  const differences = [];
  const end = minutes === undefined ? Number.POSITIVE_INFINITY : performance.now() + minutes * 60_000;
  for (let first = 0; first < modelCount && performance.now() < end && differences.length < shownDifferences; first += modelsAtOnce) {
    const batch = [];
    for (let index = first; index < Math.min(first + modelsAtOnce, modelCount); index++) {
      const random = createRandom(seed + index);
      batch.push({ random, model: randomModel(random, `r${index}`) });
    }
    await publish(run, server, batch);
    for (const { random, model } of batch) {
      totals.models++;
      const requests = Array.from({ length: requestCount }, () => randomRequest(random, model));
      await Promise.all(
        requests.map((request, index) => tryOne(client, model, request, `model ${model.id} request ${index}`, totals, differences)),
      );
      fakes.reset();
    }
    for (const { model } of batch) server.config.remove(model.id);
    // Or the next batch would be counted together with this one.
    await until(async () => (await stateCounts(server)).total === 0, 10_000, 20);
  }
  for (const difference of differences.slice(0, shownDifferences)) run.note(difference);
  const text = `${totals.models} models, ${totals.requests} requests (${totals.failedRequests} failed as they should), ${totals.rows} rows, ${totals.rowErrors} with an error, slowest ${totals.slowest.toFixed(0)} ms`;
  run.check('every answer is the naive one', differences.length === 0 && totals.rows > 0, `${differences.length} differences; ${text}`);
  run.check('all four methods were tried', totals.methods.size === 4);
  run.check('nothing hung, the server lives', server.alive && totals.slowest < patient(5000));
  client.close();
}

function environment(fakes) {
  return {
    APP_NAME: CALLER,
    EXTERNAL_SERVICE_ONFS_FS_HOST: '127.0.0.1',
    EXTERNAL_SERVICE_ONFS_FS_PORT: fakes.port,
    EXTERNAL_SERVICE_ONFS_FS_CALLER_ID: CALLER,
    EXTERNAL_SERVICE_ONFS_FS_CALLER_TOKEN: TOKEN,
    EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: patient(5000),
    EXTERNAL_SERVICE_ONFS_FS_BATCH_SIZE: 7,
    EXTERNAL_SERVICE_PREDATOR_PORT: fakes.port,
    EXTERNAL_SERVICE_PREDATOR_CALLER_ID: CALLER,
    EXTERNAL_SERVICE_PREDATOR_CALLER_TOKEN: TOKEN,
    NUMERIX_CLIENT_V1_HOST: '127.0.0.1',
    NUMERIX_CLIENT_V1_PORT: fakes.port,
    NUMERIX_CLIENT_V1_DEADLINE_MS: patient(5000),
    NUMERIX_CLIENT_V1_BATCHSIZE: 5,
  };
}

/** Writes configurations and waits until all of them are in force. */
async function publish(run, server, batch) {
  for (const { model } of batch) server.config.put(model.id, model.config);
  let states = {};
  const isDone = await until(
    async () => {
      states = await stateCounts(server);
      return states.total === batch.length;
    },
    10_000,
    50,
  );
  if (isDone && states.rejected === 0) return;
  const refused = server.errors.at(-1);
  run.check('random configurations are accepted', false, `${JSON.stringify(states)} ${JSON.stringify(refused)?.slice(0, 600)}`);
}

async function stateCounts(server) {
  const found = (await server.metrics()).find('inferflow_config_models');
  const counts = Object.fromEntries(found.map(({ labels, value }) => [labels.state, value]));
  return { ...counts, total: found.reduce((sum, { value }) => sum + value, 0) };
}

async function tryOne(client, model, request, title, totals, differences) {
  const path = `/${request.method === 'RetrieveModelScore' ? 'Inferflow' : 'Predict'}/${request.method}`;
  const [requestName, responseName] = METHODS[path];
  const expected = evaluate(model, request);
  const started = performance.now();
  const answer = await client.unary(path, encode(requestName, messageOf(model, request)), { timeoutMs: 15_000 });
  totals.slowest = Math.max(totals.slowest, performance.now() - started);
  totals.requests++;
  totals.methods.add(request.method);
  const note = (text) => differences.push(`${title} ${request.method}: ${text}`);
  if (expected.failure !== null) {
    totals.failedRequests++;
    if (answer.code !== 14 || !answer.message.includes(expected.failure))
      note(`expected a failure of ${expected.failure}, got ${answer.code} ${answer.message}`);
    return;
  }
  if (answer.code !== 0) {
    note(`code ${answer.code} ${answer.message}`);
    return;
  }
  const response = decode(responseName, answer.body, { raw: true });
  if (request.method === 'RetrieveModelScore') compareText(model, request, expected, response, note, totals);
  else comparePredict(model, request, expected, response, note, totals);
}

/** The request as the kit's encoder wants it. */
function messageOf(model, request) {
  const bytes = (text) => Buffer.from(text);
  if (request.method === 'RetrieveModelScore') {
    return {
      model_config_id: model.id,
      entities: [
        {
          entity: 'item_id',
          ids: request.targets.map((target) => target.item_id),
          features: model.requestColumns.map((name) => ({ name, ids_feature_value: request.targets.map((target) => target[name]) })),
        },
        { entity: 'user_id', ids: [request.user] },
      ],
    };
  }
  return {
    model_config_id: model.id,
    tracking_id: 't',
    context_features: [{ name: 'user_id', value: bytes(request.user), data_type: 'DataTypeString' }],
    target_input_schema: model.requestColumns.map((name) => ({ name, data_type: 'DataTypeString' })),
    targets: request.targets.map((target) => ({
      id: target.item_id,
      feature_values: model.requestColumns.map((name) => bytes(target[name])),
    })),
    ...(request.method === 'InferPairWise' && {
      pairs: request.slates.map(([first, second]) => ({ first_target_index: first, second_target_index: second })),
    }),
    ...(request.method === 'InferSlateWise' && { slates: request.slates.map((targets) => ({ target_indices: targets })) }),
  };
}

function comparePredict(model, request, expected, response, note, totals) {
  const isSlate = (name) => model.columns.get(name)?.slate === true;
  compareRows(
    model.response.filter((name) => !isSlate(name)),
    expected.cells,
    response.target_output_schema,
    response.target_scores,
    request.targets.length,
    (row) => isSpotlessRow(expected.cells, row),
    note,
    totals,
  );
  if (request.slates === null) return;
  const names = model.response.filter(isSlate);
  const schema = response.slate_output_schema ?? response.pair_output_schema;
  const scores = response.slate_scores ?? response.pair_scores;
  // A slate owns up to whatever its targets own up to.
  const isSpotless = (slate) =>
    request.slates[slate].every((row) => isSpotlessRow(expected.cells, row)) && isSpotlessRow(expected.slateCells, slate);
  if (names.length > 0) compareRows(names, expected.slateCells, schema, scores, request.slates.length, isSpotless, note, totals);
}

function compareRows(names, cells, schema = [], rows = [], count, isSpotless, note, totals) {
  const places = names.map((name) => schema.findIndex((column) => column.name === name));
  if (places.includes(-1)) note(`column ${names[places.indexOf(-1)]} is not in the answer: ${schema.map((column) => column.name)}`);
  if (rows.length !== count) note(`${rows.length} rows, expected ${count}`);
  rows.forEach((row, index) => {
    const right = names.map((name) => cells.get(name)[index]);
    names.forEach((name, at) => {
      const found = row.output_values?.[places[at]] ?? Buffer.alloc(0);
      const bytes = right[at].bytes ?? Buffer.alloc(0);
      if (Buffer.compare(found, bytes) !== 0)
        note(`row ${index} ${name}: ${found.toString('hex')} is not ${bytes.toString('hex')} (${row.error ?? 'no row error'})`);
    });
    compareError(index, row.error ?? '', right, isSpotless(index), note, totals);
  });
}

/** Whether every column of a row, answered or not, has a value that rests on real ones alone. */
function isSpotlessRow(cells, row) {
  for (const column of cells.values()) if (!column[row].isReal || column[row].isTainted) return false;
  return true;
}

/** An error where something failed behind a value; none where everything was real. */
function compareError(index, error, right, isSpotless, note, totals) {
  totals.rows++;
  if (error !== '') totals.rowErrors++;
  if (error === '' && right.some((cell) => cell.isTainted)) note(`row ${index} hides a failure`);
  if (error !== '' && isSpotless) note(`row ${index} is right in every column, but has the error "${error}"`);
}

function compareText(model, request, expected, response, note, totals) {
  const [header, ...rows] = (response.component_data ?? []).map((line) => line.data ?? []);
  if (rows.length !== request.targets.length) note(`${rows.length} rows, expected ${request.targets.length}`);
  const errors = new Map((response.row_errors ?? []).map(({ row, error }) => [row ?? 0, error]));
  const names = model.response.filter((name) => model.columns.get(name)?.slate !== true);
  rows.forEach((row, index) => {
    const right = names.map((name) => expected.cells.get(name)[index]);
    names.forEach((name, at) => {
      const text = row[header.indexOf(name)];
      if (!isText(text, right[at].bytes, model.columns.get(name).type))
        note(
          `row ${index} ${name}: "${text}" is not ${right[at].bytes?.toString('hex') ?? 'empty'} (${errors.get(index) ?? 'no row error'})`,
        );
    });
    compareError(index, errors.get(index) ?? '', right, isSpotlessRow(expected.cells, index), note, totals);
  });
}

/** Whether a text says what the bytes say. */
function isText(text, bytes, type) {
  if (bytes === null) return text === '';
  switch (type) {
    case 'string':
      return text === bytes.toString();
    case 'int32':
      return text === String(bytes.readInt32LE(0));
    case 'int64':
      return text === String(bytes.readBigInt64LE(0));
    case 'bool':
      return text === (bytes[0] === 0 ? 'false' : 'true');
    case 'fp32':
      return Math.fround(Number(text)) === bytes.readFloatLE(0);
    case 'fp64':
      return Number(text) === bytes.readDoubleLE(0);
    default:
      return text?.split(',').every((part, index) => Math.fround(Number(part)) === bytes.readFloatLE(4 * index));
  }
}
