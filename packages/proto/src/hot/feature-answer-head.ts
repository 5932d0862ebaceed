import { readEnd, readLength, readSigned32, readTag, skipField } from '../wire/read.js';
import { isValidUtf8, readUtf8 } from '../wire/utf8.js';

// The head of a retrieve.Result: see the map in feature-answer.ts.

const SCHEMA_TAG = 0x1a;
const ROW_TAG = 0x22;

/** One feature that an answer says it holds. */
export interface AnsweredFeature {
  readonly group: string;
  readonly feature: string;
  /** Position of its cell in every row. */
  readonly column: number;
}

/**
 * Where the rows of a `retrieve.Result` begin: everything before is its head, equal for equal queries. The message's end when there
 * are no rows; −1 if malformed.
 */
export function findFeatureRows(message: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && message[at] !== ROW_TAG) {
    const tag = readTag(message, at, end);
    if (tag < 0) return -1;
    // A row whose tag is written in more bytes than needed.
    if (tag === ROW_TAG) return at;
    at = skipField(message, readEnd, end, tag % 8, Math.floor(tag / 8));
    if (at < 0) return -1;
  }
  return at;
}

/** How many rows a message holds from `start` on, without a look into them; −1 if malformed. */
export function countFeatureRows(message: Uint8Array, start: number, end: number): number {
  let rows = 0;
  let at = start;
  while (at < end) {
    const tag = readTag(message, at, end);
    if (tag < 0) return -1;
    if (tag === ROW_TAG) rows++;
    at = skipField(message, readEnd, end, tag % 8, Math.floor(tag / 8));
    if (at < 0) return -1;
  }
  return rows;
}

/** Groups, and features, of a schema: one with more is malformed. An entry can be two bytes, and an answer many megabytes. */
const mostSchemaEntries = 1 << 14;

/** Reads the schema of an answer: all its `feature_schemas`, wherever they stand. null if malformed. For cold code. */
export function readFeatureSchema(message: Uint8Array, start: number, end: number): AnsweredFeature[] | null {
  const features: AnsweredFeature[] = [];
  let groups = 0;
  let at = start;
  while (at < end) {
    const tag = readTag(message, at, end);
    if (tag < 0) return null;
    if (tag === SCHEMA_TAG) {
      const length = readLength(message, readEnd, end);
      if (length < 0) return null;
      at = readEnd + length;
      if (++groups > mostSchemaEntries || !readGroup(message, readEnd, at, features)) return null;
      continue;
    }
    at = skipField(message, readEnd, end, tag % 8, Math.floor(tag / 8));
    if (at < 0) return null;
  }
  return features;
}

function readGroup(message: Uint8Array, start: number, end: number, features: AnsweredFeature[]): boolean {
  let group = '';
  const first = features.length;
  const added: { feature: string; column: number }[] = [];
  let at = start;
  while (at < end) {
    const tag = readTag(message, at, end);
    if (tag < 0) return false;
    if (tag === 0x0a || tag === 0x12) {
      const length = readLength(message, readEnd, end);
      if (length < 0) return false;
      const from = readEnd;
      at = from + length;
      if (tag === 0x0a) {
        if (!isValidUtf8(message, from, at)) return false;
        group = readUtf8(message, from, at);
      } else {
        const feature = readFeature(message, from, at);
        if (feature === null || first + added.length === mostSchemaEntries) return false;
        added.push(feature);
      }
      continue;
    }
    at = skipField(message, readEnd, end, tag % 8, Math.floor(tag / 8));
    if (at < 0) return false;
  }
  added.forEach((entry, index) => {
    features[first + index] = { group, feature: entry.feature, column: entry.column };
  });
  return true;
}

function readFeature(message: Uint8Array, start: number, end: number): { feature: string; column: number } | null {
  let feature = '';
  let column = 0;
  let at = start;
  while (at < end) {
    const tag = readTag(message, at, end);
    if (tag < 0) return null;
    if (tag === 0x0a) {
      const length = readLength(message, readEnd, end);
      if (length < 0) return null;
      const from = readEnd;
      at = from + length;
      if (!isValidUtf8(message, from, at)) return null;
      feature = readUtf8(message, from, at);
    } else if (tag === 0x10) {
      column = readSigned32(message, readEnd, end);
      at = readEnd;
      if (at < 0) return null;
    } else {
      at = skipField(message, readEnd, end, tag % 8, Math.floor(tag / 8));
      if (at < 0) return null;
    }
  }
  return { feature, column };
}
