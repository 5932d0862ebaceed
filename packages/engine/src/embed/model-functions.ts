import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ModelConfig, ModelOutput as OutputConfig } from '@inferflow/config';
import { type ModelInferRequest, ModelInferRequestSchema, ModelInferResponseSchema } from '@inferflow/proto';
import { createLocalUpstream, GrpcCode, GrpcError, type Upstream } from '@inferflow/transport';
import { arrayToTensor, tensorToArray } from './tensor-values.js';

/** One input tensor of an embedder's model: row-major values and the shape with the row count first. */
export interface ModelInput {
  /** Half floats arrive as Float32Array, BOOL as Uint8Array. */
  readonly data:
    | Float32Array
    | Float64Array
    | Int8Array
    | Int16Array
    | Int32Array
    | BigInt64Array
    | Uint8Array
    | Uint16Array
    | Uint32Array
    | BigUint64Array
    | readonly string[];
  readonly shape: readonly number[];
  /** V2 name, such as `FP32`. */
  readonly dataType: string;
}

/** One output of an embedder's model: values of all rows, row after row. */
export type ModelOutput = ArrayLike<number> | ArrayLike<bigint> | readonly string[] | readonly boolean[];

/** What a model function may want to know besides its inputs. */
export interface ModelCallInfo {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly rowCount: number;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** A model as a function: inputs by tensor name; outputs by name, or the only output's values. */
export type ModelFunction = (
  inputs: Readonly<Record<string, ModelInput>>,
  info: ModelCallInfo,
) => ModelOutput | Readonly<Record<string, ModelOutput>> | Promise<ModelOutput | Readonly<Record<string, ModelOutput>>>;

/** Models by model name. */
export type ModelFunctions = Readonly<Record<string, ModelFunction>>;

/** Names of the models that a configuration may call. */
export function modelNamesOf(config: ModelConfig): ReadonlySet<string> {
  const names = new Set<string>();
  for (const component of config.components) {
    if (component.kind !== 'predator' || !(component.componentName in config.dependencies)) continue;
    names.add(component.modelName);
    for (const { modelName } of component.endpoints) if (modelName !== undefined) names.add(modelName);
  }
  return names;
}

/** The functions as a model server for one model configuration, which says of which type each output is. */
export function createModelUpstream(models: ModelFunctions, config: ModelConfig): Upstream {
  const outputsOf = outputTypes(config);
  return createLocalUpstream('the model functions', async (_path, message, _headers, signal) => {
    const request = fromBinary(ModelInferRequestSchema, message);
    const { modelName, modelVersion } = request;
    const model = Object.hasOwn(models, modelName) ? models[modelName] : undefined;
    if (model === undefined) throw new GrpcError(GrpcCode.NOT_FOUND, `there is no model "${modelName}"`);
    const inputs = inputsOf(request);
    const rowCount = Number(request.inputs[0]?.shape[0] ?? 0n);
    const answer = await model(inputs, { modelName, modelVersion, rowCount, signal: signal() });
    const names = request.outputs.map(({ name }) => name);
    const byName = outputsByName(answer, names, modelName);
    const declared = outputsOf.get(modelName);
    const present = names.filter((name) => hasValues(byName[name], name, modelName));
    const raw = present.map((name) => arrayToTensor(declared?.get(name)?.dataType ?? 'FP32', byName[name] as ModelOutput));
    return toBinary(
      ModelInferResponseSchema,
      create(ModelInferResponseSchema, {
        modelName,
        modelVersion,
        outputs: present.map((name) => {
          const perRow = declared?.get(name)?.perRow ?? 1;
          const { length } = byName[name] as ModelOutput;
          if (perRow < 1 || length % perRow !== 0) {
            throw new GrpcError(
              GrpcCode.INTERNAL,
              `model "${modelName}" answered ${length} values of output "${name}", which takes ${perRow} a row`,
            );
          }
          return { name, datatype: declared?.get(name)?.dataType ?? 'FP32', shape: [BigInt(length / perRow), BigInt(perRow)] };
        }),
        rawOutputContents: raw,
      }),
    );
  });
}

function inputsOf(request: ModelInferRequest): Record<string, ModelInput> {
  const inputs: Record<string, ModelInput> = {};
  request.inputs.forEach(({ name, datatype, shape }, index) => {
    const raw = request.rawInputContents[index] ?? new Uint8Array(0);
    inputs[name] = { data: tensorToArray(datatype, raw), shape: shape.map(Number), dataType: datatype };
  });
  return inputs;
}

function outputsByName(
  answer: ModelOutput | Readonly<Record<string, ModelOutput>>,
  names: readonly string[],
  modelName: string,
): Readonly<Record<string, ModelOutput>> {
  if (typeof answer !== 'object' || answer === null) {
    throw new GrpcError(GrpcCode.INTERNAL, `model "${modelName}" answered ${answer === null ? 'null' : typeof answer}, no list of values`);
  }
  if (!isValues(answer)) return answer;
  const [only] = names;
  if (names.length !== 1 || only === undefined) {
    throw new GrpcError(
      GrpcCode.INTERNAL,
      `model "${modelName}" has ${names.length} outputs: answer an object with one list of values per output name`,
    );
  }
  return { [only]: answer };
}

/** Whether the output is there: null is none, in plain JavaScript. */
function hasValues(output: unknown, name: string, modelName: string): boolean {
  if (output === undefined || output === null) return false;
  if (typeof output === 'object' && 'length' in output && typeof output.length === 'number') return true;
  throw new GrpcError(GrpcCode.INTERNAL, `model "${modelName}" answered no list of values as output "${name}"`);
}

function isValues(answer: ModelOutput | Readonly<Record<string, ModelOutput>>): answer is ModelOutput {
  return Array.isArray(answer) || ArrayBuffer.isView(answer);
}

interface OutputType {
  readonly dataType: string;
  /** Values of one row. */
  readonly perRow: number;
}

function outputTypes(config: ModelConfig): ReadonlyMap<string, ReadonlyMap<string, OutputType>> {
  const types = new Map<string, Map<string, OutputType>>();
  for (const component of config.components) {
    if (component.kind !== 'predator') continue;
    for (const modelName of [component.modelName, ...component.endpoints.map((endpoint) => endpoint.modelName ?? component.modelName)]) {
      const outputs = types.get(modelName) ?? new Map<string, OutputType>();
      types.set(modelName, outputs);
      for (const output of component.outputs) outputs.set(output.name, { dataType: output.dataType, perRow: valuesPerRow(output) });
    }
  }
  return types;
}

function valuesPerRow(output: OutputConfig): number {
  return output.scores.reduce((sum, { dims }) => sum + dims.reduce((product, dim) => product * Math.max(dim, 1), 1), 0);
}
