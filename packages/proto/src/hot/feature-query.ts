import { putUtf8, utf8Size } from '../wire/utf8.js';
import { lengthFieldSize, putBytes, putLength, varintSize } from '../wire/write.js';

/*
 * retrieve.Query as it is written, tags in hex.
 *
 *   0a entity_label | «12 feature group: 0a label | «12 feature»» | «1a key schema» | «22 key: «0a part»»
 *   └─────────── constant: encodeFeatureQueryHead, once per component ──────────┘   └─ putKeyHead, putKeyPart ─┘
 *
 * The parts of a key are copied out of the request into the bytes of a batch, in this form; the cache keeps and compares them so, too.
 */

/** The method that answers a feature query. */
export const RETRIEVE_FEATURES_PATH = '/retrieve.FeatureService/RetrieveFeatures';

/** The constant part of a feature query. */
export interface FeatureQueryHead {
  readonly entityLabel: string;
  readonly groups: readonly { readonly label: string; readonly features: readonly string[] }[];
  readonly keySchema: readonly string[];
}

/** Fields 1–3 of a `retrieve.Query`; the keys of a call are appended with {@link putKeyHead} and {@link putKeyPart}. */
export function encodeFeatureQueryHead(head: FeatureQueryHead): Uint8Array {
  const groupSizes = head.groups.map((group) => {
    let size = group.label === '' ? 0 : textFieldSize(1, group.label);
    for (const feature of group.features) size += textFieldSize(2, feature);
    return size;
  });
  let size = head.entityLabel === '' ? 0 : textFieldSize(1, head.entityLabel);
  for (const groupSize of groupSizes) size += lengthFieldSize(2, groupSize);
  for (const name of head.keySchema) size += textFieldSize(3, name);
  const target = new Uint8Array(size);
  let at = head.entityLabel === '' ? 0 : putTextField(target, 0, 1, head.entityLabel);
  head.groups.forEach((group, index) => {
    at = putLength(target, at, 2, groupSizes[index] as number);
    if (group.label !== '') at = putTextField(target, at, 1, group.label);
    for (const feature of group.features) at = putTextField(target, at, 2, feature);
  });
  for (const name of head.keySchema) at = putTextField(target, at, 3, name);
  return target;
}

/** Bytes of one key part within a key: tag, length, text. */
export function keyPartSize(length: number): number {
  return 1 + varintSize(length) + length;
}

/** Writes the head of one key (a `keys` field of the query) whose parts take `partsSize` bytes. */
export function putKeyHead(target: Uint8Array, at: number, partsSize: number): number {
  return putLength(target, at, 4, partsSize);
}

/** Writes one part of a key. The parts of a key are an unambiguous text of it: every part carries its length. */
export function putKeyPart(target: Uint8Array, at: number, source: Uint8Array, from: number, to: number): number {
  return putBytes(target, putLength(target, at, 1, to - from), source, from, to);
}

/** Longest part that {@link putShortKey} writes. */
export const SHORT_KEY_PART = 125;

/** Writes a whole key of one part of up to {@link SHORT_KEY_PART} bytes: nearly all keys are such. Returns its end; its part begins two bytes behind `at`. */
export function putShortKey(target: Uint8Array, at: number, source: Uint8Array, from: number, length: number): number {
  target[at] = 0x22;
  target[at + 1] = length + 2;
  target[at + 2] = 0x0a;
  target[at + 3] = length;
  const put = at + 4;
  for (let index = 0; index < length; index++) target[put + index] = source[from + index] as number;
  return put + length;
}

function textFieldSize(field: number, text: string): number {
  return lengthFieldSize(field, utf8Size(text));
}

function putTextField(target: Uint8Array, at: number, field: number, text: string): number {
  return putUtf8(target, putLength(target, at, field, utf8Size(text)), text);
}
