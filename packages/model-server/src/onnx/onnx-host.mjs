// A process that runs ONNX models for the process that started it. Running blocks the thread it runs on and cannot be
// interrupted, and a crash inside takes its process along: both are kept away from the process that serves requests.
// Speaks frames over file descriptor 3 and ends when that closes.

import { isUtf8 } from 'node:buffer';
import { Socket } from 'node:net';
import { encodeFrame, FrameKind, FrameReader, layOut } from './frames.mjs';

/**
 * @typedef {import('onnxruntime-node').InferenceSession} Session
 * @typedef {import('onnxruntime-node').Tensor} OnnxTensor
 * @typedef {{ name: string, datatype: string, shape: number[], dimensionNames: string[] }} Spec
 */

/** V2 datatype, ORT type and array of each element type that both sides know. */
const TYPES = /** @type {const} */ ([
  ['FP32', 'float32', Float32Array],
  ['FP64', 'float64', Float64Array],
  ['FP16', 'float16', Uint16Array],
  ['INT8', 'int8', Int8Array],
  ['INT16', 'int16', Int16Array],
  ['INT32', 'int32', Int32Array],
  ['INT64', 'int64', BigInt64Array],
  ['UINT8', 'uint8', Uint8Array],
  ['UINT16', 'uint16', Uint16Array],
  ['UINT32', 'uint32', Uint32Array],
  ['UINT64', 'uint64', BigUint64Array],
  ['BOOL', 'bool', Uint8Array],
  ['BYTES', 'string', null],
]);
const byV2 = new Map(TYPES.map((type) => [/** @type {string} */ (type[0]), type]));
const byOrt = new Map(TYPES.map((type) => [/** @type {string} */ (type[1]), type]));

// Where there is a Float16Array (Node 24 and later) onnxruntime's JavaScript makes one of every FP16 tensor, and its native part then sees
// no bytes. Without it both speak of Uint16Array.
Reflect.deleteProperty(globalThis, 'Float16Array');

// The runtime reports to its maker unless it is told not to: it keeps an id of the machine in ~/.cache, queues events in a file and sends
// them by HTTPS. Read when it loads; who wants it sets the variable to 0.
process.env['ORT_DISABLE_TELEMETRY'] ??= '1';

// The terminal's Ctrl-C and a supervisor's SIGTERM reach this process too, while its parent still has requests to finish.
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => {});

const socket = new Socket({ fd: 3, readable: true, writable: true });
/** @type {typeof import('onnxruntime-node')} */
let ort;
/** @type {{ session: Session, inputs: Spec[], outputs: Spec[] }[]} */
let models = [];
// One thing at a time, in the order it was asked for.
let work = Promise.resolve();

const reader = new FrameReader((kind, id, meta, payload) => {
  work = work.then(() => (kind === FrameKind.load ? load(meta, payload) : infer(id, meta, payload)));
});
socket.on('data', (chunk) => reader.push(chunk));
socket.on('error', () => process.exit(0));
socket.on('close', () => process.exit(0));

/**
 * @param {{ models: { name: string, file?: string, bytes?: number }[], intraOpThreads: number }} meta
 * @param {Uint8Array} payload
 */
async function load(meta, payload) {
  try {
    ort = await import('onnxruntime-node');
  } catch (error) {
    fail(0, 'dependency', textOf(error));
    return;
  }
  const { positions } = layOut(meta.models.map((model) => model.bytes ?? 0));
  models = [];
  for (const [index, { name, file, bytes }] of meta.models.entries()) {
    try {
      const options = /** @type {const} */ ({
        executionProviders: ['cpu'],
        interOpNumThreads: 1,
        executionMode: 'sequential',
        graphOptimizationLevel: 'all',
        logSeverityLevel: 4,
      });
      const position = /** @type {number} */ (positions[index]);
      const source = file ?? payload.slice(position, position + (bytes ?? 0));
      const session = await ort.InferenceSession.create(/** @type {string} */ (source), {
        ...options,
        intraOpNumThreads: meta.intraOpThreads,
      });
      models.push({
        session,
        inputs: session.inputMetadata.map((value) => specOf(name, value)),
        outputs: session.outputMetadata.map((value) => specOf(name, value)),
      });
    } catch (error) {
      fail(0, 'model', `model '${name}'${file === undefined ? '' : ` (${file})`}: ${textOf(error)}`);
      return;
    }
  }
  socket.write(encodeFrame(FrameKind.loaded, 0, { models: models.map(({ inputs, outputs }) => ({ inputs, outputs })) }, []));
}

/**
 * @param {string} model
 * @param {import('onnxruntime-node').InferenceSession.ValueMetadata} value
 * @returns {Spec}
 */
function specOf(model, value) {
  if (!value.isTensor) throw new TypeError(`'${value.name}' is no tensor`);
  const type = byOrt.get(value.type);
  if (type === undefined)
    throw new TypeError(`'${value.name}' has the type ${value.type}, which is not supported; model ${model} needs a cast in front of it`);
  return {
    name: value.name,
    datatype: type[0],
    shape: value.shape.map((size) => (typeof size === 'number' && size >= 0 ? size : -1)),
    dimensionNames: value.shape.map((size) => (typeof size === 'string' ? size : '')),
  };
}

/**
 * @param {number} id
 * @param {{ model: number, inputs: { shape: number[], bytes: number }[], outputs: string[] }} meta
 * @param {Uint8Array} payload
 */
async function infer(id, meta, payload) {
  try {
    const model = models[meta.model];
    if (model === undefined) throw new RangeError('no such model');
    const { positions } = layOut(meta.inputs.map((input) => input.bytes));
    /** @type {Record<string, OnnxTensor>} */
    const feeds = {};
    for (const [index, input] of meta.inputs.entries()) {
      const spec = /** @type {Spec} */ (model.inputs[index]);
      feeds[spec.name] = toOnnx(spec, input.shape, payload.buffer, /** @type {number} */ (positions[index]), input.bytes);
    }
    const results = await model.session.run(feeds, meta.outputs);
    const outputs = meta.outputs.map((name) => fromOnnx(/** @type {OnnxTensor} */ (results[name])));
    const frame = encodeFrame(
      FrameKind.result,
      id,
      { outputs: outputs.map(({ datatype, shape, data }) => ({ datatype, shape, bytes: data.length })) },
      outputs.map((output) => output.data),
    );
    // The next run blocks this thread: what the pipe has not taken by then would come only after it.
    await new Promise((resolve) => socket.write(frame, resolve));
  } catch (error) {
    fail(id, error instanceof InputError ? 'input' : 'run', textOf(error));
  }
}

/** What a caller sent cannot be given to the runtime as it is. */
class InputError extends Error {}

/**
 * @param {Spec} spec
 * @param {number[]} shape
 * @param {ArrayBufferLike} buffer
 * @param {number} position
 * @param {number} bytes
 * @returns {OnnxTensor}
 */
function toOnnx({ name, datatype }, shape, buffer, position, bytes) {
  const type = byV2.get(datatype);
  if (type === undefined) throw new TypeError(`unknown datatype ${datatype}`);
  const [, ortType, array] = type;
  if (array === null) return new ort.Tensor('string', readTexts(name, new Uint8Array(buffer, position, bytes)), shape);
  const data = new array(/** @type {ArrayBuffer} */ (buffer), position, bytes / array.BYTES_PER_ELEMENT);
  return new ort.Tensor(ortType, /** @type {any} */ (data), shape);
}

/** @param {OnnxTensor} tensor */
function fromOnnx(tensor) {
  const type = byOrt.get(tensor.type);
  if (type === undefined) throw new TypeError(`an output has the type ${tensor.type}, which is not supported`);
  const shape = tensor.dims.map(Number);
  if (type[2] === null) return { datatype: type[0], shape, data: writeTexts(/** @type {string[]} */ (tensor.data)) };
  const { buffer, byteOffset, byteLength } = /** @type {Uint8Array} */ (/** @type {unknown} */ (tensor.data));
  return { datatype: type[0], shape, data: new Uint8Array(buffer, byteOffset, byteLength) };
}

/**
 * The runtime takes JavaScript's texts and ends them at the first NUL: of other bytes the model would see something else.
 *
 * @param {string} input
 * @param {Uint8Array} data
 */
function readTexts(input, data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const texts = [];
  for (let at = 0; at < data.length; ) {
    const end = at + 4 + view.getUint32(at, true);
    const bytes = data.subarray(at + 4, end);
    if (!isUtf8(bytes) || bytes.includes(0)) {
      throw new InputError(
        `Input '${input}': BYTES element ${texts.length} is no UTF-8 text without NUL, which is all that ONNX models take`,
      );
    }
    texts.push(decoder.decode(bytes));
    at = end;
  }
  return texts;
}

/** @param {readonly string[]} texts */
function writeTexts(texts) {
  const encoded = texts.map((text) => Buffer.from(text));
  const data = Buffer.alloc(encoded.reduce((sum, text) => sum + 4 + text.length, 0));
  let at = 0;
  for (const text of encoded) {
    data.writeUInt32LE(text.length, at);
    data.set(text, at + 4);
    at += 4 + text.length;
  }
  return data;
}

/**
 * @param {number} id
 * @param {'dependency' | 'model' | 'input' | 'run'} kind
 * @param {string} message
 */
function fail(id, kind, message) {
  socket.write(encodeFrame(FrameKind.failed, id, { kind, message }, []));
}

/** @param {unknown} error */
function textOf(error) {
  return error instanceof Error ? error.message : String(error);
}
