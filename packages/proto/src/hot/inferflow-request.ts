import { readEnd, readLength, readTag, skipField } from '../wire/read.js';
import { isValidUtf8 } from '../wire/utf8.js';
import { PositionList } from './position-list.js';
import { REQUEST_OPTIONS_FIELD, RequestOptionFlags, setPlacedCells } from './predict-request.js';

/*
 * InferflowRequestProto on the wire. A field is its tag (field × 8 + wire type, here in hex), for wire type 2 a length, and its bytes;
 * «…» may repeat. Fields may stand in any order.
 *
 *   message   «0a entity» | 12 model_config_id | 1a tracking_id | a2 06 options (as in predict-request.ts)
 *   entity    0a name | «12 id» | «1a feature»
 *   feature   0a name | «12 value, as text»
 *
 * Read in three steps: `InferflowRequestScan` finds the entities, `NamedTextsScan` name and size of an entity or a feature, `placeTexts`
 * where its texts lie. No text is copied: what is kept of it is where it starts in the message and how long it is.
 */

/**
 * Where the parts of an `InferflowRequestProto` lie. One object serves many requests, one after the other.
 */
export class InferflowRequestScan {
  modelConfigIdStart = 0;
  modelConfigIdEnd = 0;
  trackingIdStart = 0;
  trackingIdEnd = 0;
  readonly options = new RequestOptionFlags();
  /** Positions of the `Entity` messages. */
  readonly entities = new PositionList();

  /** Finds every part. False if the message is malformed or an id is not UTF-8. */
  scan(message: Uint8Array): boolean {
    this.modelConfigIdStart = 0;
    this.modelConfigIdEnd = 0;
    this.trackingIdStart = 0;
    this.trackingIdEnd = 0;
    this.options.reset();
    this.entities.clear();
    const end = message.length;
    for (let at = 0; at < end; ) {
      const tag = readTag(message, at, end);
      if (tag < 0) return false;
      at = readEnd;
      const field = tag >>> 3;
      if ((tag & 7) !== 2 || (field > 3 && field !== REQUEST_OPTIONS_FIELD)) {
        at = skipField(message, at, end, tag & 7, field);
        if (at < 0) return false;
        continue;
      }
      const length = readLength(message, at, end);
      if (length < 0) return false;
      const start = readEnd;
      at = start + length;
      if ((field === 2 || field === 3) && !isValidUtf8(message, start, at)) return false;
      if (field === 1) this.entities.add(start, at);
      else if (field === 2) {
        this.modelConfigIdStart = start;
        this.modelConfigIdEnd = at;
      } else if (field === 3) {
        this.trackingIdStart = start;
        this.trackingIdEnd = at;
      } else if (!this.options.read(message, start, at)) return false;
    }
    return true;
  }
}

/** Field number of the texts of an `Entity` (its ids) and of a `Feature` (its values): both are field 2 beside the name in field 1. */
const TEXTS_FIELD = 2;

/** One `Entity` or one `Feature` of it, by position. Overwritten by the next read. */
export class NamedTextsScan {
  nameStart = 0;
  nameEnd = 0;
  /** Ids of an entity, values of a feature. */
  textCount = 0;

  /**
   * Reads an `Entity`; the positions of its features are appended to `features`. With `features` null it reads a `Feature`.
   * False if it is malformed or the name is not UTF-8.
   */
  read(message: Uint8Array, start: number, end: number, features: PositionList | null): boolean {
    this.nameStart = start;
    this.nameEnd = start;
    this.textCount = 0;
    for (let at = start; at < end; ) {
      const tag = readTag(message, at, end);
      if (tag < 0) return false;
      at = readEnd;
      const field = tag >>> 3;
      if ((tag & 7) !== 2) {
        at = skipField(message, at, end, tag & 7, field);
        if (at < 0) return false;
        continue;
      }
      const length = readLength(message, at, end);
      if (length < 0) return false;
      const from = readEnd;
      at = from + length;
      if (field === 1) {
        if (!isValidUtf8(message, from, at)) return false;
        this.nameStart = from;
        this.nameEnd = at;
      } else if (field === TEXTS_FIELD) this.textCount++;
      else if (field === 3 && features !== null) features.add(from, at);
    }
    return true;
  }
}

/**
 * Puts the texts of an `Entity` or `Feature` into a column: for text r the pair (start, length) at word `at + r × strideWords`, for
 * r below `rowCount`. Returns the number of texts put, −1 if any text is not UTF-8, put or not, or the message is malformed.
 */
export function placeTexts(
  message: Uint8Array,
  start: number,
  end: number,
  words: Int32Array,
  at: number,
  strideWords: number,
  rowCount: number,
): number {
  let row = 0;
  let placed = 0;
  let word = at;
  for (let position = start; position < end; ) {
    const tag = readTag(message, position, end);
    if (tag < 0) return -1;
    position = readEnd;
    if (tag !== 0x12) {
      position = skipField(message, position, end, tag & 7, tag >>> 3);
      if (position < 0) return -1;
      continue;
    }
    const length = readLength(message, position, end);
    if (length < 0) return -1;
    const from = readEnd;
    position = from + length;
    if (length > 0 && !isValidUtf8(message, from, position)) return -1;
    if (row === rowCount) continue;
    if (length > 0) {
      words[word] = from;
      words[word + 1] = length;
      placed++;
    }
    word += strideWords;
    row++;
  }
  setPlacedCells(placed);
  return row;
}
