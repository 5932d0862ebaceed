import { DataType, dataTypeInfo, decodeValue, encodeValue, textToBytes } from '@inferflow/matrix';

/** Encoded bytes, or a text that says what was expected instead. */
export type EncodedCell = Uint8Array | string;

const INTEGER = /^[+-]?[0-9]+$/;
const FLOAT = /^[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|infinity|nan)$/i;
const TRUE = /^(?:true|1)$/i;
const FALSE = /^(?:false|0)$/i;
const MAX_TEXT_BYTES = 0xffff;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Encodes one value of a source, text or typed, as the store answers it: little-endian numbers, booleans as one byte, texts
 * as UTF-8, vectors element by element, texts of a vector behind their u16 lengths.
 *
 * Vectors come as arrays, as JSON arrays in text, or as text with `:` between the elements.
 */
export function encodeCell(dataType: DataType, vectorLength: number | undefined, raw: unknown): EncodedCell {
  const { isVector, elementType } = dataTypeInfo(dataType);
  if (!isVector) return encodeScalar(dataType, raw);
  const elements = elementsOf(raw);
  if (typeof elements === 'string') return elements;
  if (vectorLength !== undefined && elements.length !== vectorLength) return `expected ${vectorLength} elements, found ${elements.length}`;
  if (dataType === DataType.StringVector) return encodeTexts(elements);
  const encoded: Uint8Array[] = [];
  for (const [index, element] of elements.entries()) {
    const bytes = encodeScalar(elementType, element);
    if (typeof bytes === 'string') return `element ${index}: ${bytes}`;
    encoded.push(bytes);
  }
  return concatenate(encoded);
}

function encodeTexts(elements: readonly unknown[]): EncodedCell {
  const texts: string[] = [];
  for (const [index, element] of elements.entries()) {
    const bytes = encodeScalar(DataType.String, element);
    if (typeof bytes === 'string') return `element ${index}: ${bytes}`;
    if (bytes.length > MAX_TEXT_BYTES) return `element ${index}: expected at most ${MAX_TEXT_BYTES} bytes, found ${bytes.length}`;
    texts.push(decoder.decode(bytes));
  }
  return encodeValue(DataType.StringVector, texts);
}

function elementsOf(raw: unknown): readonly unknown[] | string {
  if (Array.isArray(raw)) return raw;
  if (ArrayBuffer.isView(raw) && !(raw instanceof DataView)) return Array.from(raw as unknown as ArrayLike<unknown>);
  if (typeof raw !== 'string') return `expected a vector, found ${kindOf(raw)}`;
  if (!raw.startsWith('[')) return raw.split(':');
  try {
    const parsed: unknown = JSON.parse(raw);
    if (Array.isArray(parsed)) return parsed;
  } catch {
    // Told below: the text is in nobody's interest.
  }
  return 'expected a JSON array, found text that is none';
}

function encodeScalar(dataType: DataType, raw: unknown): EncodedCell {
  const info = dataTypeInfo(dataType);
  const name = info.name.replace('DataType', '');
  switch (info.family) {
    case 'text': {
      const text =
        typeof raw === 'string'
          ? raw
          : typeof raw === 'number' || typeof raw === 'bigint' || typeof raw === 'boolean'
            ? String(raw)
            : undefined;
      if (text === undefined) return raw instanceof Uint8Array ? raw.slice() : `expected text, found ${kindOf(raw)}`;
      return encoder.encode(text);
    }
    case 'bool': {
      const value =
        typeof raw === 'string'
          ? TRUE.test(raw)
            ? true
            : FALSE.test(raw)
              ? false
              : undefined
          : raw === 1 || raw === 1n
            ? true
            : raw === 0 || raw === 0n
              ? false
              : raw;
      return typeof value === 'boolean' ? Uint8Array.of(value ? 1 : 0) : `expected true, false, 1 or 0, found ${kindOf(raw)}`;
    }
    case 'int':
    case 'uint':
      return encodeInteger(dataType, info.elementBytes, info.family === 'int', name, raw);
    default:
      return encodeFloat(dataType, name, raw);
  }
}

function encodeInteger(dataType: DataType, bytes: number, isSigned: boolean, name: string, raw: unknown): EncodedCell {
  const bits = BigInt(bytes * 8);
  const least = isSigned ? -(1n << (bits - 1n)) : 0n;
  const most = isSigned ? (1n << (bits - 1n)) - 1n : (1n << bits) - 1n;
  const expected = `expected ${name}, an integer from ${least} to ${most}`;
  let value: bigint;
  if (typeof raw === 'bigint') value = raw;
  else if (typeof raw === 'number' && Number.isSafeInteger(raw)) value = BigInt(raw);
  else if (typeof raw === 'string' && INTEGER.test(raw)) value = BigInt(raw.replace(/^\+/, ''));
  else return `${expected}, found ${kindOf(raw)}`;
  if (value < least || value > most) return `${expected}, found one outside that range`;
  return encodeValue(dataType, bytes === 8 ? value : Number(value));
}

function encodeFloat(dataType: DataType, name: string, raw: unknown): EncodedCell {
  let encoded: Uint8Array | null;
  if (typeof raw === 'number' || typeof raw === 'bigint') encoded = encodeValue(dataType, Number(raw));
  // From text directly: by way of a JavaScript number an FP32 would be rounded twice.
  else if (typeof raw === 'string' && FLOAT.test(raw))
    encoded = /nan/i.test(raw) ? encodeValue(dataType, Number.NaN) : textToBytes(dataType, raw);
  else return `expected ${name}, a number, found ${kindOf(raw)}`;
  const isOrdinary = typeof raw === 'string' ? /[0-9]/.test(raw) : Number.isFinite(Number(raw));
  if (encoded === null || (isOrdinary && !Number.isFinite(decodeValue(dataType, encoded))))
    return `expected ${name}, found a number beyond its largest value`;
  return encoded;
}

/** What a value is, without the value. */
function kindOf(raw: unknown): string {
  if (raw === null) return 'null';
  if (Array.isArray(raw)) return 'a list';
  if (raw === '') return 'an empty text';
  switch (typeof raw) {
    case 'string':
      return FLOAT.test(raw) ? 'another number' : 'text';
    case 'number':
      return Number.isInteger(raw) ? 'an integer' : 'a fraction';
    default:
      return typeof raw === 'object' ? 'an object' : `a ${typeof raw}`;
  }
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
