import { emptyRecord, type JsonObject, type JsonValue } from '../json.js';
import type { ModelInput, ModelOutput, PredatorComponentConfig } from '../model-config.js';
import { canBeKeys, type DocumentWriter } from './document-writer.js';

type NameScore = (score: string) => string;

/** Writes a predator component in the writer's dialect. */
export function writePredator(writer: DocumentWriter, component: PredatorComponentConfig, place: string, nameScore: NameScore): JsonObject {
  const isDocumented = writer.dialect === 'documented';
  return writer.object('predator', place, {
    name: component.componentName,
    // The original service skips a component without one.
    componentId: component.componentId || (isDocumented ? undefined : writer.idColumn),
    modelName: component.modelName,
    modelVersion: component.modelVersion === '1' ? undefined : component.modelVersion,
    endpoint: component.endpoint === '' ? undefined : component.endpoint,
    ...writeEndpoints(writer, component, place),
    deadline: component.deadlineMs,
    batchSize: component.batchSize,
    calibration: writeCalibration(writer, component, place),
    inputs: isDocumented
      ? writeInputs(writer, component.inputs, place)
      : component.inputs.map((input, index) => writeInput(writer, input, `${place}/inputs/${index}`)),
    outputs: isDocumented
      ? writeOutputs(writer, component.outputs, place, nameScore)
      : component.outputs.map((output, index) => writeDeployedOutput(writer, output, `${place}/outputs/${index}`)),
    slate: component.scope === 'slate' ? true : undefined,
    slateCalls: component.slateCalls === 'per_slate' ? undefined : component.slateCalls,
    coalesce: component.coalesce ? true : undefined,
    coalesceWait: component.coalesceWaitMs === 0 ? undefined : component.coalesceWaitMs,
    broadcast: component.broadcastSingleScore === writer.compat ? undefined : component.broadcastSingleScore,
    onFailure: component.onFailure === 'default' ? undefined : component.onFailure,
  });
}

function writeEndpoints(
  writer: DocumentWriter,
  { endpoints }: PredatorComponentConfig,
  place: string,
): Record<string, JsonValue | undefined> {
  if (endpoints.length === 0) return {};
  const isRouted = endpoints.some(({ modelName, percentage }) => modelName !== undefined || !Number.isInteger(percentage));
  if (isRouted || writer.hasExtra(`${place}/routes`)) {
    return { routes: endpoints.map((route, index) => writer.object('route', `${place}/routes/${index}`, { ...route })) };
  }
  const names = endpoints.map(({ endpoint }) => endpoint);
  if (writer.dialect === 'deployed' || !canBeKeys(names) || writer.hasExtra(`${place}/endpoints`)) {
    return { endpoints: endpoints.map((endpoint, index) => writer.object('endpoint', `${place}/endpoints/${index}`, { ...endpoint })) };
  }
  const map = emptyRecord<JsonValue>();
  for (const { endpoint, percentage } of endpoints) map[endpoint] = percentage;
  return { endpoints: map };
}

function writeCalibration(writer: DocumentWriter, { calibration }: PredatorComponentConfig, place: string): JsonValue | undefined {
  if (writer.dialect === 'deployed') return calibration === '' ? undefined : calibration;
  const at = `${place}/calibration`;
  if (calibration === '' && !writer.hasExtra(at)) return undefined;
  return writer.object('calibration', at, { enabled: calibration !== '', name: calibration === '' ? undefined : calibration });
}

function writeInput(writer: DocumentWriter, input: ModelInput, place: string): JsonObject {
  return writer.object('input', place, { name: input.name, features: input.features, shape: input.shape, dataType: input.dataTypeText });
}

function writeInputs(writer: DocumentWriter, inputs: readonly ModelInput[], place: string): JsonObject {
  const isPlain = ({ name, features, shape }: ModelInput) =>
    features.length === 1 && features[0] === name && shape.length === 1 && shape[0] === 1;
  const hasExtra = inputs.some((_, index) => writer.hasExtra(`${place}/inputs/${index}`));
  if (!inputs.every(isPlain) || !canBeKeys(inputs.map(({ name }) => name)) || hasExtra) {
    return writer.object('inputs', `${place}/inputs`, {
      tensors: inputs.map((input, index) => writeInput(writer, input, `${place}/inputs/${index}`)),
    });
  }
  const featureMap = emptyRecord<JsonValue>();
  for (const { name, dataTypeText } of inputs) featureMap[name] = dataTypeText;
  return writer.object('inputs', `${place}/inputs`, { featureMap });
}

function writeOutputs(writer: DocumentWriter, outputs: readonly ModelOutput[], place: string, nameScore: NameScore): JsonObject {
  const at = `${place}/outputs`;
  const names = outputs.flatMap(({ scores }) => scores.map((score) => nameScore(score.name)));
  const isPlain = ({ name, dataTypeText, scores }: ModelOutput) => {
    const [score] = scores;
    return scores.length === 1 && score !== undefined && nameScore(score.name) === name && isOne(score.dims) && dataTypeText === 'FP32';
  };
  const hasExtra = outputs.some((_, index) => writer.hasExtra(`${at}/${index}`));
  if (outputs.every(isPlain) && !hasExtra) return writer.object('outputs', at, { scoreColumns: names });
  const tensors = outputs.map((output, index) => {
    const scores = output.scores.map((score, position) => {
      return writer.object('score', `${at}/${index}/scores/${position}`, {
        name: nameScore(score.name),
        dims: isOne(score.dims) ? undefined : score.dims,
      });
    });
    return writer.object('output', `${at}/${index}`, { name: output.name, dataType: output.dataTypeText, scores });
  });
  return writer.object('outputs', at, { scoreColumns: names, tensors });
}

function isOne(dims: readonly number[]): boolean {
  return dims.length === 1 && dims[0] === 1;
}

function writeDeployedOutput(writer: DocumentWriter, { name, dataTypeText, scores }: ModelOutput, place: string): JsonObject {
  return writer.object('output', place, {
    name,
    modelScores: scores.map((score) => score.name),
    dims: scores.map((score) => score.dims),
    dataType: dataTypeText,
  });
}
