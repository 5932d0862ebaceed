import { lengthFieldSize, putBytes, putLength, putTag, putUtf8, putVarint, utf8Size, varintSize } from '@inferflow/proto/hot';

/** Format bits of the metadata byte. */
export const LogFormat = { proto: 0, arrow: 1, parquet: 2 } as const;

/** Name of a record format, as service settings spell it. */
export type LogFormatName = keyof typeof LogFormat;

/** The metadata byte: compression, version in bits 2–5, format in bits 6–7. */
export function metadataByte(format: LogFormatName, version: number, isCompressed: boolean): number {
  return (isCompressed ? 1 : 0) | ((version & 15) << 2) | (LogFormat[format] << 6);
}

/** Fields of an InferflowLog; `entities` and `features` are encoded fields 4 and 5 already. */
export interface LogParts {
  readonly userId: string;
  readonly trackingId: string;
  readonly modelConfigId: string;
  readonly entities: Uint8Array;
  readonly features: Uint8Array;
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

/** Bytes of the InferflowLog that {@link putLog} writes. */
export function logSize(parts: LogParts): number {
  return (
    textSize(1, parts.userId) +
    textSize(2, parts.trackingId) +
    textSize(3, parts.modelConfigId) +
    parts.entities.length +
    parts.features.length +
    3 +
    textSize(7, parts.parentEntity)
  );
}

/** Writes an InferflowLog, fields in ascending order. */
export function putLog(target: Uint8Array, start: number, parts: LogParts): number {
  let at = putText(target, start, 1, parts.userId);
  at = putText(target, at, 2, parts.trackingId);
  at = putText(target, at, 3, parts.modelConfigId);
  at = putBytes(target, at, parts.entities, 0, parts.entities.length);
  at = putBytes(target, at, parts.features, 0, parts.features.length);
  at = putLength(target, at, 6, 1);
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

/** Wraps a message of `length` bytes, written by `put`, into a KafkaRequest. */
export function putEnvelope(head: EnvelopeHead, length: number, put: (target: Uint8Array, at: number) => number): Envelope {
  const name = head.eventName ?? eventName;
  const url = head.typeUrl ?? typeUrl;
  const anySize = textSize(1, url) + (length === 0 ? 0 : lengthFieldSize(2, length));
  const createdSize = head.createdAtSeconds > 0 ? 1 + varintSize(head.createdAtSeconds) : 0;
  const eventSize = textSize(1, name) + textSize(2, head.eventId) + createdSize + lengthFieldSize(4, anySize) + textSize(5, head.userId);
  // Every byte is written below: nothing needs to be cleared first.
  const value: Uint8Array = Buffer.allocUnsafeSlow(lengthFieldSize(1, eventSize));
  let at = putLength(value, 0, 1, eventSize);
  at = putText(value, at, 1, name);
  at = putText(value, at, 2, head.eventId);
  if (createdSize > 0) at = putVarint(value, putTag(value, at, 3, 0), head.createdAtSeconds);
  at = putLength(value, at, 4, anySize);
  at = putText(value, at, 1, url);
  if (length > 0) at = putLength(value, at, 2, length);
  const messageStart = at;
  at = length === 0 ? at : put(value, at);
  putText(value, at, 5, head.userId);
  return { value, messageStart, messageLength: length };
}

/** Upper bound of what surrounds entities and features in a record value. */
export function envelopeOverhead(userId: string, trackingId: string, modelConfigId: string, parentEntity: string): number {
  const texts = utf8Size(userId) * 2 + utf8Size(trackingId) * 2 + utf8Size(modelConfigId) + utf8Size(parentEntity);
  return texts + eventName.length + typeUrl.length + 96;
}
