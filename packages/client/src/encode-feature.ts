import { type DataType, dataTypeInfo, encodeValue } from '@inferflow/matrix';
import type { FeatureValue, ResolvedType } from './feature-type.js';

/** Form of target and context features on the wire: text (`0.5`, vectors as `1:2:3`), or the bytes of the declared type. */
export type RequestValues = 'text' | 'typed';

type Scalar = string | number | bigint | boolean;

const encoder = new TextEncoder();

/** What a feature without a value looks like on the wire. */
export const NO_VALUE = new Uint8Array(0);

/**
 * What is wrong with a value for its type, or '' if nothing is. A value that
 * passes is encoded without loss beyond the rounding of a float type.
 */
export function checkFeature(type: ResolvedType, value: Exclude<FeatureValue, null | undefined>, form: RequestValues): string {
  const info = dataTypeInfo(type.dataType);
  if (!info.isVector) {
    return checkScalar(type.dataType, value);
  }
  if (!isList(value)) {
    return `expected an array for ${info.name}, got a ${typeof value}`;
  }
  if (value.length === 0) {
    return 'an empty vector cannot be told from an absent value; leave it out, or give null';
  }
  if (type.length !== 0 && value.length !== type.length) {
    return `expected ${type.length} elements, got ${value.length}`;
  }
  for (const element of value) {
    const problem = checkScalar(info.elementType, element);
    if (problem !== '') {
      return `element: ${problem}`;
    }
    if (form === 'typed' && typeof element === 'string' && encoder.encode(element).length > 0xffff) {
      return 'element: a text in a vector has at most 65535 bytes';
    }
    if (form === 'text' && typeof element === 'string' && element.includes(':')) {
      return 'element: text with ":" cannot travel in a vector of texts, whose separator it is';
    }
  }
  return '';
}

/** Bytes of a value that {@link checkFeature} has passed. */
export function encodeFeature(dataType: DataType, value: Exclude<FeatureValue, null | undefined>, form: RequestValues): Uint8Array {
  if (form === 'text') {
    const { family } = dataTypeInfo(dataType);
    return encoder.encode(family === 'int' || family === 'uint' ? integerText(value) : featureText(value));
  }
  return encodeValue(dataType, isList(value) ? Array.from<Scalar>(value) : value);
}

/** Whether a value of no declared type has a text: a text, number or boolean, or a list of them. */
export function hasText(value: unknown): boolean {
  return isList(value) ? Array.from<unknown>(value).every(isScalar) : isScalar(value);
}

function isScalar(value: unknown): value is Scalar {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';
}

/** A value as text: shortest decimals, `true`/`false`, vectors with `:` between elements. */
export function featureText(value: Exclude<FeatureValue, null | undefined>): string {
  return isList(value) ? Array.from<Scalar, string>(value, scalarText).join(':') : scalarText(value);
}

// -0, which rounding makes of -0.3, is no unsigned integer in the server's eyes.
function integerText(value: Exclude<FeatureValue, null | undefined>): string {
  return isList(value) ? Array.from<Scalar, string>(value, String).join(':') : String(value);
}

function scalarText(value: Scalar): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

function isList(value: unknown): value is ArrayLike<Scalar> & Iterable<Scalar> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function checkScalar(dataType: DataType, value: unknown): string {
  const info = dataTypeInfo(dataType);
  switch (info.family) {
    case 'text':
      return typeof value === 'string' ? '' : expected('a string', value);
    case 'bool':
      return typeof value === 'boolean' ? '' : expected('a boolean', value);
    case 'float':
      return typeof value === 'number' ? checkFloat(info.name, value) : expected(`a number for ${info.name}`, value);
    default:
      return checkInteger(info.family === 'int', info.elementBytes * 8, value);
  }
}

function expected(what: string, value: unknown): string {
  return `expected ${what}, got ${value === null ? 'null' : `a ${typeof value}`}`;
}

function checkInteger(signed: boolean, bits: number, value: unknown): string {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    return 'expected a whole number (a bigint beyond 2^53)';
  }
  if (typeof value !== 'number' && typeof value !== 'bigint') {
    return expected('a whole number', value);
  }
  const number = BigInt(value);
  const fits = signed ? BigInt.asIntN(bits, number) === number : BigInt.asUintN(bits, number) === number;
  return fits ? '' : `does not fit ${signed ? '' : 'un'}signed ${bits} bits`;
}

// First magnitude that a float type turns into infinity or NaN.
const floatLimits: Readonly<Record<string, (magnitude: number) => boolean>> = {
  DataTypeFP32: (magnitude) => Number.isFinite(Math.fround(magnitude)),
  DataTypeFP16: (magnitude) => magnitude < 65_520,
  DataTypeFP8E5M2: (magnitude) => magnitude < 61_440,
  DataTypeFP8E4M3: (magnitude) => magnitude <= 464,
};

function checkFloat(name: string, value: number): string {
  const fits = floatLimits[name];
  if (fits === undefined || Number.isNaN(value)) {
    return '';
  }
  if (!Number.isFinite(value)) {
    return name === 'DataTypeFP8E4M3' ? `${name} has no infinity` : '';
  }
  return fits(Math.abs(value)) ? '' : `does not fit ${name}`;
}
