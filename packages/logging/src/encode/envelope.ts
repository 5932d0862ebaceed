import { lengthFieldSize, putLength, putTag, putUtf8, putVarint, utf8Size, varintSize } from '@inferflow/proto/hot';
import { ValueSlab } from './value-slab.js';

/** Format bits of the metadata byte. */
export const LogFormat = { proto: 0, arrow: 1, parquet: 2 } as const;

/** Name of a record format, as service settings spell it. */
export type LogFormatName = keyof typeof LogFormat;

/** The metadata byte: compression, version in bits 2–5, format in bits 6–7. */
export function metadataByte(format: LogFormatName, version: number, isCompressed: boolean): number {
  return (isCompressed ? 1 : 0) | ((version & 15) << 2) | (LogFormat[format] << 6);
}

/** Fields of an InferflowLog beside its rows. */
export interface LogParts {
  readonly userId: string;
  readonly trackingId: string;
  readonly modelConfigId: string;
  readonly metadata: number;
  /** '' = none. */
  readonly parentEntity: string;
}

const eventName = 'inferflow_inference_logs';
const typeUrl = 'type.googleapis.com/InferflowLog';

function textSize(field: number, text: string): number {
  return text === '' ? 0 : lengthFieldSize(field, utf8Size(text));
}

function putText(target: Uint8Array, at: number, field: number, text: string): number {
  return text === '' ? at : putUtf8(target, putLength(target, at, field, utf8Size(text)), text);
}

/** Bytes of an InferflowLog whose encoded fields 4 and 5 take `contentBytes`. */
export function logSize(parts: LogParts, contentBytes: number): number {
  const texts = textSize(1, parts.userId) + textSize(2, parts.trackingId) + textSize(3, parts.modelConfigId);
  return texts + contentBytes + 3 + textSize(7, parts.parentEntity);
}

/** Writes what comes before the rows: fields in ascending order. */
export function putLogHead(target: Uint8Array, start: number, parts: LogParts): number {
  const at = putText(target, start, 1, parts.userId);
  return putText(target, putText(target, at, 2, parts.trackingId), 3, parts.modelConfigId);
}

/** Writes what comes after them. */
export function putLogTail(target: Uint8Array, start: number, parts: LogParts): number {
  const at = putLength(target, start, 6, 1);
  target[at] = parts.metadata;
  return putText(target, at + 1, 7, parts.parentEntity);
}

/** A record value and where the message lies in it. */
export interface Envelope {
  readonly value: Uint8Array;
  readonly messageStart: number;
  readonly messageLength: number;
}

/** What the envelope says about its message. */
export interface EnvelopeHead {
  readonly eventId: string;
  readonly userId: string;
  readonly createdAtSeconds: number;
  /** @default inferflow_inference_logs */
  readonly eventName?: string;
  /** @default type.googleapis.com/InferflowLog */
  readonly typeUrl?: string;
}

/** Writes a KafkaRequest around a message of `length` bytes, which the caller puts at `messageStart`. */
export function openEnvelope(head: EnvelopeHead, length: number, slab = new ValueSlab()): Envelope {
  const name = head.eventName ?? eventName;
  const url = head.typeUrl ?? typeUrl;
  const anySize = textSize(1, url) + (length === 0 ? 0 : lengthFieldSize(2, length));
  const createdSize = head.createdAtSeconds > 0 ? 1 + varintSize(head.createdAtSeconds) : 0;
  const eventSize = textSize(1, name) + textSize(2, head.eventId) + createdSize + lengthFieldSize(4, anySize) + textSize(5, head.userId);
  // Every byte is written here or by the caller: nothing needs to be cleared first.
  const value = slab.take(lengthFieldSize(1, eventSize));
  let at = putLength(value, 0, 1, eventSize);
  at = putText(value, at, 1, name);
  at = putText(value, at, 2, head.eventId);
  if (createdSize > 0) at = putVarint(value, putTag(value, at, 3, 0), head.createdAtSeconds);
  at = putLength(value, at, 4, anySize);
  at = putText(value, at, 1, url);
  if (length > 0) at = putLength(value, at, 2, length);
  putText(value, at + length, 5, head.userId);
  return { value, messageStart: at, messageLength: length };
}

/** Wraps a message of `length` bytes, written by `put`, into a KafkaRequest. */
export function putEnvelope(
  head: EnvelopeHead,
  length: number,
  put: (target: Uint8Array, at: number) => number,
  slab = new ValueSlab(),
): Envelope {
  const envelope = openEnvelope(head, length, slab);
  if (length > 0) put(envelope.value, envelope.messageStart);
  return envelope;
}

/** Upper bound of what surrounds entities and features in a record value. */
export function envelopeOverhead(userId: string, trackingId: string, modelConfigId: string, parentEntity: string): number {
  const texts = utf8Size(userId) * 2 + utf8Size(trackingId) * 2 + utf8Size(modelConfigId) + utf8Size(parentEntity);
  return texts + eventName.length + typeUrl.length + 96;
}
