import { putUtf8, utf8Size } from '../wire/utf8.js';
import { lengthFieldSize, putBytes, putLength, putVarint, varintSize } from '../wire/write.js';

/*
 * inference.ModelInferRequest as it is written, tags in hex.
 *
 *   0a model_name | 12 model_version | «2a input: 0a name | 12 datatype | 1a dimensions, packed» | «32 output: 0a name» | «3a raw input»
 *   └────────── names ─────────────┘   └──────── inputHeads ────────┘                             └──── outputs ────┘
 *
 * The parts with a name below are constant and belong to the template. Raw inputs are written by whoever has the tensor (a gather program),
 * straight into the buffer of the connection.
 */

/** The method that runs a model. */
export const MODEL_INFER_PATH = '/inference.GRPCInferenceService/ModelInfer';

/** The constant part of a model call. */
export interface InferRequestHead {
  readonly modelName: string;
  readonly modelVersion: string;
  /** `rank` counts the dimensions of the shape, the row dimension included. */
  readonly inputs: readonly { readonly name: string; readonly datatype: string; readonly rank: number }[];
  /** Names of the outputs asked for; none = all. */
  readonly outputs: readonly string[];
}

/**
 * A compiled `inference.ModelInferRequest`: everything but the shapes and the raw inputs. The body of a call is the head
 * ({@link putInferHead}), then one field per input ({@link putRawInputHead} and its bytes).
 */
export interface InferRequestTemplate {
  readonly inputCount: number;
  /** Where the dimensions of input i begin in the list of all dimensions; one entry more than inputs. */
  readonly dimsAt: Int32Array;
  /** Fields 1 and 2. */
  readonly names: Uint8Array;
  /** Per input, name and datatype. */
  readonly inputHeads: readonly Uint8Array[];
  /** Field 6, all outputs. */
  readonly outputs: Uint8Array;
}

/** Compiles a model call. */
export function compileInferRequest(head: InferRequestHead): InferRequestTemplate {
  const dimsAt = new Int32Array(head.inputs.length + 1);
  head.inputs.forEach((input, index) => {
    dimsAt[index + 1] = (dimsAt[index] as number) + input.rank;
  });
  return Object.freeze({
    inputCount: head.inputs.length,
    dimsAt,
    names: encodeTexts([
      [1, head.modelName],
      [2, head.modelVersion],
    ]),
    inputHeads: Object.freeze(
      head.inputs.map((input) =>
        encodeTexts([
          [1, input.name],
          [2, input.datatype],
        ]),
      ),
    ),
    outputs: encodeOutputs(head.outputs),
  });
}

/**
 * Bytes of the whole message. `dims` are the dimensions of all inputs one after the other, `rawLengths` the bytes of each raw input.
 * Dimensions are 0 or more.
 */
export function inferRequestSize(template: InferRequestTemplate, dims: ArrayLike<number>, rawLengths: ArrayLike<number>): number {
  let size = template.names.length + template.outputs.length;
  for (let input = 0; input < template.inputCount; input++) {
    size += lengthFieldSize(5, inputSize(template, input, dims)) + lengthFieldSize(7, rawLengths[input] as number);
  }
  return size;
}

/** Writes fields 1–6. */
export function putInferHead(template: InferRequestTemplate, target: Uint8Array, start: number, dims: ArrayLike<number>): number {
  let at = putBytes(target, start, template.names, 0, template.names.length);
  for (let input = 0; input < template.inputCount; input++) {
    const head = template.inputHeads[input] as Uint8Array;
    at = putLength(target, at, 5, inputSize(template, input, dims));
    at = putBytes(target, at, head, 0, head.length);
    const shape = shapeSize(template, input, dims);
    if (shape === 0) continue;
    at = putLength(target, at, 3, shape);
    const last = template.dimsAt[input + 1] as number;
    for (let index = template.dimsAt[input] as number; index < last; index++) at = putVarint(target, at, dims[index] as number);
  }
  return putBytes(target, at, template.outputs, 0, template.outputs.length);
}

/** Writes the head of a `raw_input_contents` field; `length` bytes of the input follow. */
export function putRawInputHead(target: Uint8Array, at: number, length: number): number {
  return putLength(target, at, 7, length);
}

function inputSize(template: InferRequestTemplate, input: number, dims: ArrayLike<number>): number {
  const shape = shapeSize(template, input, dims);
  return (template.inputHeads[input] as Uint8Array).length + (shape === 0 ? 0 : lengthFieldSize(3, shape));
}

function shapeSize(template: InferRequestTemplate, input: number, dims: ArrayLike<number>): number {
  let size = 0;
  const last = template.dimsAt[input + 1] as number;
  for (let index = template.dimsAt[input] as number; index < last; index++) size += varintSize(dims[index] as number);
  return size;
}

function encodeTexts(texts: readonly (readonly [field: number, text: string])[]): Uint8Array {
  const given = texts.filter(([, text]) => text !== '');
  const target = new Uint8Array(given.reduce((size, [field, text]) => size + lengthFieldSize(field, utf8Size(text)), 0));
  let at = 0;
  for (const [field, text] of given) at = putUtf8(target, putLength(target, at, field, utf8Size(text)), text);
  return target;
}

function encodeOutputs(names: readonly string[]): Uint8Array {
  const bodies = names.map((name) => encodeTexts([[1, name]]));
  const target = new Uint8Array(bodies.reduce((size, body) => size + lengthFieldSize(6, body.length), 0));
  let at = 0;
  for (const body of bodies) at = putBytes(target, putLength(target, at, 6, body.length), body, 0, body.length);
  return target;
}
