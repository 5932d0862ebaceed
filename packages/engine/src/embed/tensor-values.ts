import { DataType, decodeValue, encodeValue, joinByteTexts, parseDataType, splitByteTexts, v2ElementBytes } from '@inferflow/matrix';
import type { ModelInput, ModelOutput } from './model-functions.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Raw tensor bytes as the array that a model function sees. Half floats arrive as Float32Array. Throws for a type without values. */
export function tensorToArray(v2Type: string, raw: Uint8Array): ModelInput['data'] {
  if (v2Type === 'BYTES') return readTexts(raw);
  const elementBytes = v2ElementBytes(v2Type);
  if (elementBytes <= 0 || raw.length % elementBytes !== 0) throw new TypeError(`${raw.length} bytes are no ${v2Type} tensor`);
  // The message is only borrowed, and a typed array needs its own alignment.
  const buffer = raw.slice().buffer;
  switch (v2Type) {
    case 'FP32':
      return new Float32Array(buffer);
    case 'FP64':
      return new Float64Array(buffer);
    case 'INT8':
      return new Int8Array(buffer);
    case 'INT16':
      return new Int16Array(buffer);
    case 'INT32':
      return new Int32Array(buffer);
    case 'INT64':
      return new BigInt64Array(buffer);
    case 'UINT8':
    case 'BOOL':
      return new Uint8Array(buffer);
    case 'UINT16':
      return new Uint16Array(buffer);
    case 'UINT32':
      return new Uint32Array(buffer);
    case 'UINT64':
      return new BigUint64Array(buffer);
    case 'FP16':
      return Float32Array.from(decodeValue(DataType.FP16Vector, raw) as readonly number[]);
    case 'BF16':
      return readBf16(raw);
    default:
      throw new TypeError(`a model input of type ${v2Type} has no values`);
  }
}

/** What a model function answered as raw tensor bytes. Throws when a value is not of the type. */
export function arrayToTensor(v2Type: string, values: ModelOutput): Uint8Array {
  if (v2Type === 'BYTES') return joinByteTexts(Array.from(values as ArrayLike<unknown>, (value) => encoder.encode(String(value))));
  if (v2Type === 'BF16') return writeBf16(values as ArrayLike<number>);
  const type = parseDataType(v2Type);
  if (type === undefined) throw new TypeError(`a model output of type ${v2Type} has no values`);
  const width = v2ElementBytes(v2Type);
  const raw = new Uint8Array(width * values.length);
  for (let index = 0; index < values.length; index++) raw.set(encodeValue(type, values[index] as number), index * width);
  return raw;
}

function readTexts(raw: Uint8Array): readonly string[] {
  const texts = splitByteTexts(raw);
  if (texts === null) throw new TypeError('a BYTES tensor is cut off');
  return texts.map((text) => decoder.decode(text));
}

/** The upper half of a float. */
function readBf16(raw: Uint8Array): Float32Array {
  const words = new Uint32Array(raw.length / 2);
  for (let index = 0; index < words.length; index++)
    words[index] = ((raw[index * 2] as number) | ((raw[index * 2 + 1] as number) << 8)) << 16;
  return new Float32Array(words.buffer);
}

function writeBf16(values: ArrayLike<number>): Uint8Array {
  const floats = Float32Array.from(values);
  const words = new Uint32Array(floats.buffer);
  const raw = new Uint8Array(words.length * 2);
  words.forEach((word, index) => {
    raw[index * 2] = word >>> 16;
    raw[index * 2 + 1] = word >>> 24;
  });
  return raw;
}
