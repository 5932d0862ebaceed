import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ModelInput, ModelOutput, PredatorComponentConfig } from '@inferflow/config';
import { ModelInferRequestSchema, ModelInferResponseSchema } from '@inferflow/proto';
import { createTestBackend, runComponent, type TestOptions } from '../testing/index.js';
import { predatorDefinition } from './predator-component.js';

/** A call of a model, decoded. */
export interface Call {
  model: string;
  version: string;
  rows: number;
  outputs: string[];
  inputs: { name: string; datatype: string; shape: number[]; raw: Uint8Array }[];
}
/** An output of an answer, with its values either raw or typed. */
export type Output = { name: string; datatype: string; shape: number[]; raw?: Uint8Array; contents?: Record<string, unknown> };

export function decode(message: Uint8Array): Call {
  const request = fromBinary(ModelInferRequestSchema, message);
  return {
    model: request.modelName,
    version: request.modelVersion,
    rows: Number(request.inputs[0]?.shape[0] ?? 0n),
    outputs: request.outputs.map((output) => output.name),
    inputs: request.inputs.map((input, index) => ({
      name: input.name,
      datatype: input.datatype,
      shape: input.shape.map(Number),
      raw: request.rawInputContents[index] as Uint8Array,
    })),
  };
}

/** An answer of a model, encoded. */
export function answerOf(outputs: Output[]): Uint8Array {
  return toBinary(
    ModelInferResponseSchema,
    create(ModelInferResponseSchema, {
      modelName: 'm',
      outputs: outputs.map(({ name, datatype, shape, contents }) => ({
        name,
        datatype,
        shape: shape.map(BigInt),
        ...(contents === undefined ? {} : { contents }),
      })),
      rawOutputContents: outputs.flatMap((output) => (output.raw === undefined ? [] : [output.raw])),
    }),
  );
}

/** Raw FP32 values. */
export const floats = (values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer);

/** A model that answers by itself, what it was asked, and under which endpoints. */
export function model(handler: (call: Call) => Uint8Array | Promise<Uint8Array>, options: { batchSize?: number } = {}) {
  const calls: Call[] = [];
  const endpoints: string[] = [];
  const backend = createTestBackend((_path, message) => {
    const call = decode(message);
    calls.push(call);
    return handler(call);
  }, options);
  return {
    calls,
    endpoints,
    backends: {
      model: (endpoint: string) => {
        endpoints.push(endpoint);
        return backend;
      },
    },
  };
}

/** An input of one FP32 per row, from the column `price`. */
export const input = (options: Partial<ModelInput> = {}): ModelInput => ({
  name: 'x',
  features: ['price'],
  shape: [1],
  dataType: 'FP32',
  dataTypeText: 'FP32',
  ...options,
});
/** An output of one FP32 per row, into the column `s`. */
export const output = (options: Partial<ModelOutput> = {}): ModelOutput => ({
  name: 'o',
  dataType: 'FP32',
  dataTypeText: 'FP32',
  scores: [{ name: 's', dims: [1] }],
  ...options,
});

/** A component that has a model score the column `price` into `s`. */
export function configOf(options: Partial<PredatorComponentConfig> = {}): PredatorComponentConfig {
  return {
    kind: 'predator',
    componentName: 'p',
    onFailure: 'default',
    componentId: 'item',
    modelName: 'm',
    modelVersion: '1',
    endpoint: 'host',
    endpoints: [],
    deadlineMs: undefined,
    batchSize: undefined,
    calibration: '',
    inputs: [input()],
    outputs: [output()],
    scope: 'target',
    slateCalls: 'per_slate',
    coalesce: false,
    coalesceWaitMs: 0,
    broadcastSingleScore: false,
    ...options,
  };
}

export const run = (options: TestOptions) => runComponent(predatorDefinition, options);
export const price = [1, 2, 3, 4, 5];
