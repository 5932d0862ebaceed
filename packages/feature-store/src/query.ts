import { isValidUtf8, readEnd, readLength, readTag, readUtf8, skipField } from '@inferflow/proto/hot';

/** A feature group of a query. */
export interface QueryGroup {
  readonly label: string;
  readonly featureLabels: readonly string[];
}

/** What a query asks for, without its keys. */
export interface QueryHead {
  readonly entityLabel: string;
  readonly keysSchema: readonly string[];
  readonly groups: readonly QueryGroup[];
}

const ENTITY_LABEL = 1;
const FEATURE_GROUPS = 2;
const KEYS_SCHEMA = 3;
const KEYS = 4;
const LENGTH_DELIMITED = 2;

/** Thrown inside this file and the answer's for a message that is no query. @internal */
export class MalformedQuery extends Error {}

/** Positions of the `keys` entries of a query: start and end of entry i at 2i and 2i + 1. Reused from query to query. */
export class KeyPositions {
  count = 0;
  /** Position of the first tag of `keys`; the length of the message when there is none. */
  firstTag = 0;
  /** Whether another field follows behind the first entry of `keys`. */
  isMixed = false;
  positions = new Int32Array(256);

  /** Finds the entries. @throws MalformedQuery */
  find(message: Uint8Array): void {
    this.count = 0;
    this.firstTag = message.length;
    this.isMixed = false;
    let at = 0;
    while (at < message.length) {
      const tag = readTag(message, at, message.length);
      if (tag < 0) throw new MalformedQuery();
      if (tag !== KEYS * 8 + LENGTH_DELIMITED) {
        at = skip(message, tag, readEnd, message.length, KEYS);
        this.isMixed ||= this.count > 0;
        continue;
      }
      if (this.count === 0) this.firstTag = at;
      const length = readLength(message, readEnd, message.length);
      if (length < 0) throw new MalformedQuery();
      if (this.count * 2 === this.positions.length) {
        const larger = new Int32Array(this.positions.length * 2);
        larger.set(this.positions);
        this.positions = larger;
      }
      this.positions[this.count * 2] = readEnd;
      this.positions[this.count * 2 + 1] = readEnd + length;
      this.count++;
      at = readEnd + length;
    }
  }
}

/** Reads everything but the keys. @throws MalformedQuery */
export function readQueryHead(message: Uint8Array): QueryHead {
  let entityLabel = '';
  const keysSchema: string[] = [];
  const groups: QueryGroup[] = [];
  forEachField(message, 0, message.length, KEYS, (field, start, end) => {
    if (field === ENTITY_LABEL) entityLabel = textOf(message, start, end);
    else if (field === KEYS_SCHEMA) keysSchema.push(textOf(message, start, end));
    else if (field === FEATURE_GROUPS) groups.push(readGroup(message, start, end));
  });
  return { entityLabel, keysSchema, groups };
}

function readGroup(message: Uint8Array, from: number, to: number): QueryGroup {
  let label = '';
  const featureLabels: string[] = [];
  forEachField(message, from, to, 2, (field, start, end) => {
    if (field === 1) label = textOf(message, start, end);
    else if (field === 2) featureLabels.push(textOf(message, start, end));
  });
  return { label, featureLabels };
}

/**
 * The texts of one `keys` entry, appended to `parts`. False when the entry holds fields of other numbers too.
 *
 * @throws MalformedQuery
 */
export function readKeyParts(message: Uint8Array, from: number, to: number, parts: string[]): boolean {
  let at = from;
  let isPlain = true;
  while (at < to) {
    const tag = readTag(message, at, to);
    if (tag < 0) throw new MalformedQuery();
    if (tag !== 8 + LENGTH_DELIMITED) {
      at = skip(message, tag, readEnd, to, 1);
      isPlain = false;
      continue;
    }
    const length = readLength(message, readEnd, to);
    if (length < 0) throw new MalformedQuery();
    const start = readEnd;
    at = start + length;
    parts.push(textOf(message, start, at));
  }
  return isPlain;
}

function forEachField(
  message: Uint8Array,
  from: number,
  to: number,
  lastField: number,
  visit: (field: number, start: number, end: number) => void,
): void {
  let at = from;
  while (at < to) {
    const tag = readTag(message, at, to);
    if (tag < 0) throw new MalformedQuery();
    if ((tag & 7) !== LENGTH_DELIMITED) {
      at = skip(message, tag, readEnd, to, lastField);
      continue;
    }
    const length = readLength(message, readEnd, to);
    if (length < 0) throw new MalformedQuery();
    const start = readEnd;
    at = start + length;
    visit(tag >>> 3, start, at);
  }
}

/** The end of a field that is not read. Every field that there is (1 … `lastField`) is length-delimited: in another form it is no query. */
function skip(message: Uint8Array, tag: number, from: number, to: number, lastField: number): number {
  const end = (tag & 7) !== LENGTH_DELIMITED && tag >>> 3 <= lastField ? -1 : skipField(message, from, to, tag & 7, tag >>> 3);
  if (end < 0) throw new MalformedQuery();
  return end;
}

function textOf(message: Uint8Array, from: number, to: number): string {
  if (!isValidUtf8(message, from, to)) throw new MalformedQuery();
  return readUtf8(message, from, to);
}
