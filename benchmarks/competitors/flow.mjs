// The flow of the benchmark written straightforwardly: what a good team writes in a week. It reads the same model configuration and
// environment as the server under test; features by entity in batches, models in FP32, one expression service. `services` makes the three
// upstream calls; a transport and its library are the competitor's own.
import { readFileSync } from 'node:fs';
import { DataType } from '@inferflow/proto';

const env = process.env;
const [config] = Object.values(JSON.parse(readFileSync(env.BENCH_MODEL_CONFIG, 'utf8')));
const { feature_components: features, predator_components: models, numerix_components: expressions } = config.component_config;
const order = config.dag_execution_config.component_dependency;
const columns = config.response_config.features;
const batchSize = Number(env.EXTERNAL_SERVICE_ONFS_FS_BATCH_SIZE);

const cache = new Map();
let services;

/** `retrieve`, `infer` and `compute`: message in, promise of a message out. */
export function useServices(given) {
  services = given;
}

async function fetchFeatures(component, table) {
  const { fs_request: request, fs_keys: keys } = component;
  const ids = table.texts.get(keys[0].col);
  const byId = new Map();
  const missing = [];
  for (const id of new Set(ids)) {
    const known = component.comp_cache_enabled ? cache.get(`${component.component}|${id}`) : undefined;
    if (known === undefined) missing.push(id);
    else byId.set(id, known);
  }
  const batches = [];
  for (let at = 0; at < missing.length; at += batchSize) batches.push(missing.slice(at, at + batchSize));
  await Promise.all(
    batches.map(async (batch) => {
      const result = await services.retrieve({
        entityLabel: request.label,
        featureGroups: request.featureGroups.map((group) => ({ label: group.label, featureLabels: group.features })),
        keysSchema: keys.map((key) => key.schema),
        keys: batch.map((id) => ({ cols: [id] })),
      });
      for (const row of result.rows) {
        byId.set(row.keys[0], row.columns);
        if (component.comp_cache_enabled) cache.set(`${component.component}|${row.keys[0]}`, row.columns);
      }
    }),
  );
  let index = 0;
  for (const group of request.featureGroups) {
    for (const name of group.features) {
      const at = index++;
      table.values.set(
        `${request.label}:${group.label}:${name}`,
        ids.map((id) => byId.get(id)?.[at]),
      );
    }
  }
}

async function callModel(component, table) {
  const [input] = component.inputs;
  const [output] = component.outputs;
  const parts = [];
  for (let row = 0; row < table.rows; row++)
    for (const name of input.features) parts.push(table.values.get(name)[row] ?? new Uint8Array(4));
  const answer = await services.infer({
    modelName: component.model_name,
    modelVersion: '1',
    inputs: [{ name: input.name, datatype: input.data_type, shape: [BigInt(table.rows), ...input.shape.map(BigInt)] }],
    outputs: [{ name: output.name }],
    rawInputContents: [Buffer.concat(parts)],
  });
  const raw = answer.rawOutputContents[0];
  table.values.set(
    output.model_scores[0],
    Array.from({ length: table.rows }, (_, row) => raw.subarray(row * 4, row * 4 + 4)),
  );
}

async function callExpression(component, table) {
  const variables = Object.entries(component.score_mapping);
  const ids = table.texts.get(component.component_id);
  const answer = await services.compute({
    entityScoreData: {
      schema: [component.component_id, ...variables.map(([name]) => name.split('@')[0])],
      entityScores: ids.map((id, row) => ({
        matrixFormat: {
          case: 'byteData',
          value: { values: [Buffer.from(id), ...variables.map(([, column]) => table.values.get(column)[row])] },
        },
      })),
      computeId: component.compute_id,
      dataType: 'fp32',
    },
  });
  table.values.set(
    component.score_col,
    answer.response.value.computationScores.map((score) => score.matrixFormat.value.values[1]),
  );
}

/** Answers a `PointWiseRequest`. */
export async function inferPointWise(request) {
  const rows = request.targets.length;
  const table = { rows, texts: new Map(), values: new Map() };
  table.texts.set(
    columns[0],
    request.targets.map((target) => target.id),
  );
  request.targetInputSchema.forEach((column, at) =>
    table.texts.set(
      column.name,
      request.targets.map((target) => Buffer.from(target.featureValues[at]).toString()),
    ),
  );
  for (const context of request.contextFeatures) table.texts.set(context.name, new Array(rows).fill(Buffer.from(context.value).toString()));
  const running = new Map();
  const run = (name) => {
    let promise = running.get(name);
    if (promise === undefined) {
      promise = (async () => {
        await Promise.all((order[name] ?? []).map(run));
        const feature = features.find((component) => component.component === name);
        if (feature) return fetchFeatures(feature, table);
        const model = models.find((component) => component.component === name);
        if (model) return callModel(model, table);
        const expression = expressions.find((component) => component.component === name);
        if (expression) return callExpression(expression, table);
      })();
      running.set(name, promise);
    }
    return promise;
  };
  await Promise.all(Object.keys(order).map(run));
  return {
    targetOutputSchema: columns.map((name, at) => ({ name, dataType: at === 0 ? DataType.DataTypeString : DataType.DataTypeFP32 })),
    targetScores: request.targets.map((target, row) => ({
      outputValues: columns.map((name, at) => (at === 0 ? Buffer.from(target.id) : table.values.get(name)[row])),
    })),
  };
}
