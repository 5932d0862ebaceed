import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type InferParameter,
  type ModelInferRequest,
  type ModelInferResponse_InferOutputTensorSchema,
  ModelInferResponseSchema,
} from '@inferflow/proto';
import { ModelServerError } from '../errors.js';
import type { LocalModel } from '../local-models.js';
import { LONGEST_TIMER_MS } from '../longest-timer.js';
import type { Tensor } from '../tensor.js';
import { contentsToRaw, hasTypedForm, isEmptyContents, rawToContents } from './typed-contents.js';

/** A request in the terms of a runner. Names, types, shapes and sizes are checked against the model later. */
export interface InferCall {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
  /** Whether values came as raw bytes; the answer takes the same form. */
  readonly isRaw: boolean;
  /** Longest time the caller waits, from the parameter `timeout`; undefined = none. */
  readonly timeoutMs: number | undefined;
}

/**
 * Reads a request: raw bytes or listed values, never both.
 *
 * @throws ModelServerError INFERFLOW_MODEL_SERVER_INPUT_INVALID
 */
export function readInferRequest(request: ModelInferRequest): InferCall {
  const isRaw = request.rawInputContents.length > 0;
  if (isRaw && request.rawInputContents.length !== request.inputs.length) {
    throw invalid(`raw_input_contents has ${request.rawInputContents.length} entries for ${request.inputs.length} inputs`);
  }
  const inputs = request.inputs.map(({ name, datatype, shape, contents, parameters }, index): Tensor => {
    if (isRaw && !isEmptyContents(contents)) throw invalid(`Input '${name}': contents must be empty when raw_input_contents is used`);
    if (parameters['shared_memory_region'] !== undefined) throw invalid(`Input '${name}': shared memory is not supported`);
    return {
      name,
      datatype,
      // Beyond the safe integers any size is too large, which is told when the shape is checked.
      shape: shape.map(Number),
      data: isRaw ? request.rawInputContents[index]! : contentsToRaw(name, datatype, contents),
    };
  });
  return { inputs, outputs: request.outputs.map((output) => output.name), isRaw, timeoutMs: readParameters(request.parameters) };
}

function readParameters(parameters: Readonly<Record<string, InferParameter>>): number | undefined {
  const stateful = Object.keys(parameters).find((name) => name.startsWith('sequence_'));
  if (stateful !== undefined) throw invalid(`parameter '${stateful}': the model is not stateful`);
  const timeout = parameters['timeout']?.parameterChoice;
  if (timeout === undefined || timeout.case === undefined) return undefined;
  if ((timeout.case !== 'int64Param' && timeout.case !== 'uint64Param') || timeout.value < 0n) {
    throw invalid("parameter 'timeout': expected microseconds as int64_param, not negative");
  }
  // 0 is "no limit" in this protocol.
  return timeout.value === 0n ? undefined : Math.min(Number(timeout.value) / 1000, LONGEST_TIMER_MS);
}

/** Writes the answer to a request, its values in the form of the request wherever the types allow. */
export function writeInferResponse(request: ModelInferRequest, model: LocalModel, call: InferCall, outputs: readonly Tensor[]): Uint8Array {
  const isRaw = call.isRaw || outputs.some((output) => !hasTypedForm(output.datatype));
  const descriptions = outputs.map(
    ({ name, datatype, shape, data }): MessageInitShape<typeof ModelInferResponse_InferOutputTensorSchema> => {
      const description = { name, datatype, shape: shape.map(BigInt) };
      return isRaw ? description : { ...description, contents: rawToContents(datatype, data) };
    },
  );
  return toBinary(
    ModelInferResponseSchema,
    create(ModelInferResponseSchema, {
      modelName: model.name,
      modelVersion: model.version,
      id: request.id,
      outputs: descriptions,
      rawOutputContents: isRaw ? outputs.map((output) => output.data) : [],
    }),
  );
}

function invalid(message: string): ModelServerError {
  return new ModelServerError('INFERFLOW_MODEL_SERVER_INPUT_INVALID', message);
}
