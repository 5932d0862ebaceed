import type { PredatorComponentConfig } from '@inferflow/config';
import { v2ElementBytes } from '@inferflow/matrix';
import { compileInferRequest, type InferRequestTemplate } from '@inferflow/proto/hot';
import type { Chunk, ChunkMode } from '../chunks.js';
import type { TensorInput } from '../tensor-input.js';

/** A compiled model call and how its shapes come about. */
export class InferTemplate {
  readonly template: InferRequestTemplate;
  readonly #shapes: readonly (readonly number[])[];
  /** Elements of a row per input, as far as its shape says: the product of what is not −1. */
  readonly #knownElements: readonly number[];
  readonly #isOpen: readonly boolean[];
  /** Per input; 0 = open, or of text: rows may have any length. */
  readonly #rowBytes: readonly number[];
  readonly #mode: ChunkMode;

  constructor(config: PredatorComponentConfig, modelName: string, mode: ChunkMode) {
    this.#shapes = config.inputs.map((input) => input.shape);
    this.#knownElements = this.#shapes.map((shape) =>
      shape.reduce((product, dimension) => (dimension < 0 ? product : product * dimension), 1),
    );
    this.#isOpen = this.#shapes.map((shape) => shape.includes(-1));
    this.#rowBytes = config.inputs.map(({ dataType }, input) =>
      this.#isOpen[input] ? 0 : (this.#knownElements[input] as number) * Math.max(0, v2ElementBytes(dataType)),
    );
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
      const known = this.#knownElements[input] as number;
      // An open dimension is 1 until it is known.
      for (let index = 0; index < shape.length; index++) dims[at + index] = Math.abs(shape[index] as number);
      if (open >= 0) dims[at + open] = known === 0 ? 0 : Math.max(0, Math.floor((tensors[input] as TensorInput).elementsPerRow() / known));
      if (this.#mode === 'rows' && shape.length > 0) dims[at] = (dims[at] as number) * perRow;
    }
    return dims;
  }

  /** Whether each row of a prepared input has as many elements as its dimensions will say. */
  isFilled(input: number, tensor: TensorInput): boolean {
    const elements = tensor.elementsPerRow();
    const known = this.#knownElements[input] as number;
    return this.#isOpen[input] ? elements >= 0 && elements % known === 0 : elements === known;
  }

  /**
   * The first input of a chunk whose rows are together as long as its dimensions say, but not each: nobody who is sent it can see that
   * values of one row stand in another; −1 without one. Only for inputs that are not filled.
   */
  findShifted({ from, to }: Chunk, tensors: readonly TensorInput[]): number {
    for (let input = 0; input < tensors.length; input++) {
      const tensor = tensors[input] as TensorInput;
      const rowBytes = this.#rowBytes[input] as number;
      if (rowBytes === 0 || tensor.byteLength(from, to) !== (to - from) * rowBytes) continue;
      for (let row = from; row < to; row++) if (tensor.byteLength(row, row + 1) !== rowBytes) return input;
    }
    return -1;
  }
}
