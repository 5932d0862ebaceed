import { readEnd, readLength, readSigned32, readTag, readVarint, skipField } from '../wire/read.js';
import { isValidUtf8 } from '../wire/utf8.js';
import { PositionList } from './position-list.js';

/*
 * The three scoring requests on the wire. A field is its tag (field × 8 + wire type, here in hex), for wire type 2 a length, and its
 * bytes; «…» may repeat. Fields may stand in any order.
 *
 *   all of them          0a model_config_id | 12 tracking_id | «1a context feature» | «22 target column» | …
 *   PointWiseRequest     … | «2a target» | 32 tenant_id | a2 06 options
 *   PairWise-, SlateWise … | «2a column of pairs or slates» | «32 pair or slate» | «3a target» | 42 tenant_id | a2 06 options
 *
 *   context feature      0a name | 12 value | 18 data_type | 20 vector_dim
 *   column               0a name | 10 data_type | 18 vector_dim
 *   target               0a id | «12 value of column 0, 1, …»
 *   pair                 08 first target | 10 second target | «1a value of column 0, 1, …»
 *   slate                0a target indices, packed (or «08 target index») | «12 value of column 0, 1, …»
 *   options              08 omit_quality | 10 include_config_hash
 *
 * Read in two steps: `scan` finds where the sub-messages lie, then `FeatureScan` and the `place…` functions read one at a time. A value
 * is never copied: what is kept of it is where it starts in the message and how long it is. A text has to be UTF-8 even where the same field
 * comes once more and counts instead.
 */

/** Which of the three typed scoring requests a message is. */
export const PredictKind = { pointWise: 0, pairWise: 1, slateWise: 2 } as const;
export type PredictKind = (typeof PredictKind)[keyof typeof PredictKind];

/** Field numbers ≥ 100 are ours; every scoring request has its options there. */
export const REQUEST_OPTIONS_FIELD = 100;

/** What a caller asks for beside the scores. */
export class RequestOptionFlags {
  /** undefined = the server's default. */
  omitQuality: boolean | undefined = undefined;
  includeConfigHash = false;

  reset(): void {
    this.omitQuality = undefined;
    this.includeConfigHash = false;
  }

  /** Merges one occurrence of the options field. False if it is malformed. */
  read(message: Uint8Array, start: number, end: number): boolean {
    for (let at = start; at < end; ) {
      const tag = readTag(message, at, end);
      if (tag < 0) return false;
      at = readEnd;
      if (tag === 0x08 || tag === 0x10) {
        const value = readVarint(message, at, end);
        if (value < 0) return false;
        at = readEnd;
        if (tag === 0x08) this.omitQuality = value !== 0;
        else this.includeConfigHash = value !== 0;
      } else {
        at = skipField(message, at, end, tag & 7, tag >>> 3);
        if (at < 0) return false;
      }
    }
    return true;
  }
}

/**
 * Where the parts of a `PointWiseRequest`, `PairWiseRequest` or `SlateWiseRequest` lie. One object serves many requests, one after
 * the other; nothing of it outlives the next `scan`. Nothing is copied and nothing but the lists may grow.
 */
export class PredictRequestScan {
  modelConfigIdStart = 0;
  modelConfigIdEnd = 0;
  trackingIdStart = 0;
  trackingIdEnd = 0;
  tenantIdStart = 0;
  tenantIdEnd = 0;
  readonly options = new RequestOptionFlags();
  /** Positions of the sub-messages: `ContextFeature`, `FeatureSchema` (targets; pairs or slates), `Target`, `TargetPair` or `TargetSlate`. */
  readonly contextFeatures = new PositionList();
  readonly targetSchema = new PositionList();
  readonly slateSchema = new PositionList();
  readonly targets = new PositionList();
  readonly slates = new PositionList();

  /** Finds every part. False if the message is malformed or an id is not UTF-8. */
  scan(message: Uint8Array, kind: PredictKind): boolean {
    this.#reset();
    const end = message.length;
    const isPointWise = kind === PredictKind.pointWise;
    for (let at = 0; at < end; ) {
      const tag = readTag(message, at, end);
      if (tag < 0) return false;
      at = readEnd;
      const field = tag >>> 3;
      if ((tag & 7) !== 2 || (field > 8 && field !== REQUEST_OPTIONS_FIELD)) {
        at = skipField(message, at, end, tag & 7, field);
        if (at < 0) return false;
        continue;
      }
      const length = readLength(message, at, end);
      if (length < 0) return false;
      const start = readEnd;
      at = start + length;
      if (!this.#take(message, isPointWise, field, start, at)) return false;
    }
    return true;
  }

  #take(message: Uint8Array, isPointWise: boolean, field: number, start: number, end: number): boolean {
    switch (field) {
      case 1:
        this.modelConfigIdStart = start;
        this.modelConfigIdEnd = end;
        return isValidUtf8(message, start, end);
      case 2:
        this.trackingIdStart = start;
        this.trackingIdEnd = end;
        return isValidUtf8(message, start, end);
      case 3:
        this.contextFeatures.add(start, end);
        return true;
      case 4:
        this.targetSchema.add(start, end);
        return true;
      case 5:
        if (isPointWise) this.targets.add(start, end);
        else this.slateSchema.add(start, end);
        return true;
      case 6:
        if (isPointWise) return this.#tenant(message, start, end);
        this.slates.add(start, end);
        return true;
      case 7:
        if (!isPointWise) this.targets.add(start, end);
        return true;
      case 8:
        return isPointWise || this.#tenant(message, start, end);
      default:
        return this.options.read(message, start, end);
    }
  }

  #tenant(message: Uint8Array, start: number, end: number): boolean {
    this.tenantIdStart = start;
    this.tenantIdEnd = end;
    return isValidUtf8(message, start, end);
  }

  #reset(): void {
    this.modelConfigIdStart = 0;
    this.modelConfigIdEnd = 0;
    this.trackingIdStart = 0;
    this.trackingIdEnd = 0;
    this.tenantIdStart = 0;
    this.tenantIdEnd = 0;
    this.options.reset();
    this.contextFeatures.clear();
    this.targetSchema.clear();
    this.slateSchema.clear();
    this.targets.clear();
    this.slates.clear();
  }
}

/** One `FeatureSchema` or `ContextFeature`, by position. A register that is overwritten by the next read. */
export class FeatureScan {
  nameStart = 0;
  nameEnd = 0;
  /** Only of a context feature. */
  valueStart = 0;
  valueEnd = 0;
  dataType = 0;
  vectorDim = 0;

  /** Reads a `FeatureSchema`. False if it is malformed or the name is not UTF-8. */
  readSchema(message: Uint8Array, start: number, end: number): boolean {
    return this.#read(message, start, end, 0, 2, 3);
  }

  /** Reads a `ContextFeature`. False if it is malformed or the name is not UTF-8. */
  readContext(message: Uint8Array, start: number, end: number): boolean {
    return this.#read(message, start, end, 2, 3, 4);
  }

  #read(message: Uint8Array, start: number, end: number, valueField: number, typeField: number, dimField: number): boolean {
    this.nameStart = start;
    this.nameEnd = start;
    this.valueStart = start;
    this.valueEnd = start;
    this.dataType = 0;
    this.vectorDim = 0;
    for (let at = start; at < end; ) {
      const tag = readTag(message, at, end);
      if (tag < 0) return false;
      at = readEnd;
      const field = tag >>> 3;
      const wireType = tag & 7;
      if (wireType === 2 && (field === 1 || field === valueField)) {
        const length = readLength(message, at, end);
        if (length < 0) return false;
        const from = readEnd;
        at = from + length;
        if (field === 1) {
          if (!isValidUtf8(message, from, at)) return false;
          this.nameStart = from;
          this.nameEnd = at;
        } else {
          this.valueStart = from;
          this.valueEnd = at;
        }
      } else if (wireType === 0 && (field === typeField || field === dimField)) {
        const value = readSigned32(message, at, end);
        if (readEnd < 0) return false;
        at = readEnd;
        if (field === typeField) this.dataType = value;
        else this.vectorDim = value;
      } else {
        at = skipField(message, at, end, wireType, field);
        if (at < 0) return false;
      }
    }
    return true;
  }
}

/** Cells with at least one byte that the last `place…` call has put. A register, valid until the next one. */
export let placedCells = 0;

/** For the other readers of requests in this folder. @internal */
export function setPlacedCells(count: number): void {
  placedCells = count;
}

/**
 * Puts one `Target` into a row: for the id and for value k the pair (start, length) at word `at + idWord` and `at + valueWords[k]`
 * (−1: the value is not stored). Words of values that the target does not have are left as they are. Returns the number of values
 * it has, −1 if it is malformed or the id is not UTF-8.
 */
export function placeTarget(
  message: Uint8Array,
  start: number,
  end: number,
  words: Int32Array,
  at: number,
  idWord: number,
  valueWords: Int32Array,
): number {
  let idStart = start;
  let idEnd = start;
  let values = 0;
  let placed = 0;
  for (let position = start; position < end; ) {
    const tag = readTag(message, position, end);
    if (tag < 0) return -1;
    position = readEnd;
    if (tag !== 0x0a && tag !== 0x12) {
      position = skipField(message, position, end, tag & 7, tag >>> 3);
      if (position < 0) return -1;
      continue;
    }
    const length = readLength(message, position, end);
    if (length < 0) return -1;
    const from = readEnd;
    position = from + length;
    if (tag === 0x0a) {
      if (!isValidUtf8(message, from, position)) return -1;
      idStart = from;
      idEnd = position;
      continue;
    }
    const word = values < valueWords.length ? (valueWords[values] as number) : -1;
    values++;
    if (word >= 0 && length > 0) {
      words[at + word] = from;
      words[at + word + 1] = length;
      placed++;
    }
  }
  if (idEnd > idStart) {
    words[at + idWord] = idStart;
    words[at + idWord + 1] = idEnd - idStart;
    placed++;
  }
  placedCells = placed;
  return values;
}

/**
 * Puts one `TargetPair` or `TargetSlate` into a row of the slate matrix, values as in {@link placeTarget}, and appends its target
 * indices (unchecked) to `indices`. Returns the number of values, −1 if it is malformed.
 */
export function placeSlate(
  message: Uint8Array,
  start: number,
  end: number,
  kind: PredictKind,
  indices: IndexList,
  words: Int32Array,
  at: number,
  valueWords: Int32Array,
): number {
  const isPair = kind === PredictKind.pairWise;
  const valueTag = isPair ? 0x1a : 0x12;
  let first = 0;
  let second = 0;
  let values = 0;
  let placed = 0;
  for (let position = start; position < end; ) {
    const tag = readTag(message, position, end);
    if (tag < 0) return -1;
    position = readEnd;
    if (tag === valueTag) {
      const length = readLength(message, position, end);
      if (length < 0) return -1;
      const from = readEnd;
      position = from + length;
      const word = values < valueWords.length ? (valueWords[values] as number) : -1;
      values++;
      if (word >= 0 && length > 0) {
        words[at + word] = from;
        words[at + word + 1] = length;
        placed++;
      }
    } else if (isPair ? tag === 0x08 || tag === 0x10 : tag === 0x08) {
      const index = readSigned32(message, position, end);
      if (readEnd < 0) return -1;
      position = readEnd;
      if (!isPair) indices.add(index);
      else if (tag === 0x08) first = index;
      else second = index;
    } else if (!isPair && tag === 0x0a) {
      position = addPacked(message, position, end, indices);
      if (position < 0) return -1;
    } else {
      position = skipField(message, position, end, tag & 7, tag >>> 3);
      if (position < 0) return -1;
    }
  }
  if (isPair) {
    indices.add(first);
    indices.add(second);
  }
  placedCells = placed;
  return values;
}

function addPacked(message: Uint8Array, at: number, end: number, indices: IndexList): number {
  const length = readLength(message, at, end);
  if (length < 0) return -1;
  let position = readEnd;
  const last = position + length;
  while (position < last) {
    const index = readSigned32(message, position, last);
    if (readEnd < 0) return -1;
    position = readEnd;
    indices.add(index);
  }
  return last;
}

/** A growing list of 32-bit numbers that is reused. */
export class IndexList {
  count = 0;
  values = new Int32Array(64);

  clear(): void {
    this.count = 0;
    if (this.values.length > 1 << 16) this.values = new Int32Array(64);
  }

  add(value: number): void {
    if (this.count === this.values.length) {
      const larger = new Int32Array(this.count * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.count++] = value;
  }
}
