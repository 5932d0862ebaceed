import type { PredatorComponentConfig } from '@inferflow/config';
import { compileInferRequest, type InferRequestTemplate } from '@inferflow/proto/hot';
import type { Chunk, ChunkMode } from '../chunks.js';
import type { TensorInput } from '../tensor-input.js';

/** A compiled model call and how its shapes come about. */
export class InferTemplate {
  readonly template: InferRequestTemplate;
  readonly #shapes: readonly (readonly number[])[];
  readonly #mode: ChunkMode;

  constructor(config: PredatorComponentConfig, modelName: string, mode: ChunkMode) {
    this.#shapes = config.inputs.map((input) => input.shape);
    this.#mode = mode;
    const leading = mode === 'dimension' ? 2 : 1;
    this.template = compileInferRequest({
      modelName,
      modelVersion: config.modelVersion,
      inputs: config.inputs.map((input) => ({ name: input.name, datatype: input.dataType, rank: input.shape.length + leading })),
      outputs: config.outputs.map((output) => output.name),
    });
  }

  /**
   * The dimensions of all inputs for a chunk: model rows, then the shape with −1 worked out. Where slates are rows, the targets of one
   * lie along the first dimension of the shape, or along a dimension of their own.
   */
  dims(chunk: Chunk, tensors: readonly TensorInput[]): Float64Array {
    const { dimsAt } = this.template;
    const dims = new Float64Array(dimsAt[dimsAt.length - 1] as number);
    const perRow = (chunk.to - chunk.from) / chunk.modelRows;
    for (let input = 0; input < this.#shapes.length; input++) {
      const shape = this.#shapes[input] as readonly number[];
      let at = dimsAt[input] as number;
      dims[at++] = chunk.modelRows;
      if (this.#mode === 'dimension') dims[at++] = perRow;
      const open = shape.lastIndexOf(-1);
      let known = 1;
      for (let index = 0; index < shape.length; index++) {
        const dimension = shape[index] as number;
        dims[at + index] = dimension < 0 ? 1 : dimension;
        if (dimension >= 0) known *= dimension;
      }
      if (open >= 0) dims[at + open] = known === 0 ? 0 : Math.max(0, Math.floor((tensors[input] as TensorInput).elementsPerRow() / known));
      if (this.#mode === 'rows' && shape.length > 0) dims[at] = (dims[at] as number) * perRow;
    }
    return dims;
  }
}
