import { isValidUtf8, readUtf8 } from '@inferflow/proto/hot';
import { LoggingError } from '../errors.js';

/** The fields of an InferflowLog. Blobs are views of the message. */
export interface ParsedLog {
  readonly userId: string;
  readonly trackingId: string;
  readonly modelConfigId: string;
  readonly entities: readonly string[];
  readonly blobs: readonly Uint8Array[];
  /** The first byte of the metadata; 0 when there is none. */
  readonly metadata: number;
  readonly parentEntity: readonly string[];
}

function invalid(what: string, at: number): LoggingError {
  return new LoggingError('INFERFLOW_LOGGING_MESSAGE_INVALID', `not an InferflowLog: ${what} at byte ${at}`);
}

/** Walks length-delimited fields, skips the rest, refuses groups and whatever is cut. */
function walk(bytes: Uint8Array, start: number, end: number, onField: (field: number, from: number, to: number) => void): void {
  let at = start;
  const varint = (): number => {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 11; count++) {
      const byte = bytes[at];
      if (at >= end || byte === undefined) throw invalid('a cut number', at);
      at++;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw invalid('a number of more than eleven bytes', at);
  };
  const skip = (length: number): void => {
    if (length > end - at) throw invalid('a cut field', at);
    at += length;
  };
  while (at < end) {
    const tag = varint();
    const wireType = tag % 8;
    if (wireType === 0) varint();
    else if (wireType === 1) skip(8);
    else if (wireType === 5) skip(4);
    else if (wireType === 2) {
      const length = varint();
      const from = at;
      skip(length);
      onField((tag - wireType) / 8, from, at);
    } else throw invalid(`wire type ${wireType}`, at);
  }
}

/**
 * Reads a message as readers do: fields in any order, unknown ones skipped.
 * @throws LoggingError INFERFLOW_LOGGING_MESSAGE_INVALID
 */
export function parseLog(bytes: Uint8Array): ParsedLog {
  const texts = ['', '', '', ''];
  const entities: string[] = [];
  const parentEntity: string[] = [];
  const blobs: Uint8Array[] = [];
  let metadata = 0;
  const text = (from: number, to: number): string => {
    if (!isValidUtf8(bytes, from, to)) throw invalid('a text that is not UTF-8', from);
    return readUtf8(bytes, from, to);
  };
  walk(bytes, 0, bytes.length, (field, from, to) => {
    if (field >= 1 && field <= 3) texts[field] = text(from, to);
    else if (field === 4) entities.push(text(from, to));
    else if (field === 5)
      walk(bytes, from, to, (inner, start, end) => {
        if (inner === 1) blobs.push(bytes.subarray(start, end));
      });
    else if (field === 6) metadata = to > from ? (bytes[from] as number) : 0;
    else if (field === 7) parentEntity.push(text(from, to));
  });
  return {
    userId: texts[1] as string,
    trackingId: texts[2] as string,
    modelConfigId: texts[3] as string,
    entities,
    blobs,
    metadata,
    parentEntity,
  };
}

/** What a Kafka record value wraps. */
export interface ParsedEnvelope {
  readonly eventName: string;
  readonly typeUrl: string;
  readonly message: Uint8Array;
  readonly createdAtSeconds: number;
}

/** Unwraps a KafkaRequest; null when the bytes are not one. */
export function parseEnvelope(bytes: Uint8Array): ParsedEnvelope | null {
  let found: ParsedEnvelope | null = null;
  try {
    walk(bytes, 0, bytes.length, (field, from, to) => {
      if (field !== 1) return;
      let eventName = '';
      let typeUrl = '';
      let message: Uint8Array | null = null;
      walk(bytes, from, to, (inner, start, end) => {
        if (inner === 1) eventName = readUtf8(bytes, start, end);
        if (inner !== 4) return;
        message = new Uint8Array(0);
        walk(bytes, start, end, (part, first, last) => {
          if (part === 1) typeUrl = readUtf8(bytes, first, last);
          if (part === 2) message = bytes.subarray(first, last);
        });
      });
      if (message !== null && typeUrl.startsWith('type.googleapis.com/')) {
        found = { eventName, typeUrl, message, createdAtSeconds: createdAt(bytes, from, to) };
      }
    });
  } catch {
    return null;
  }
  return found;
}

function createdAt(bytes: Uint8Array, start: number, end: number): number {
  // Field 3, a varint: found behind the two texts that precede it.
  let at = start;
  while (at < end) {
    const tag = bytes[at++] as number;
    let value = 0;
    let scale = 1;
    for (let byte = 0x80; byte >= 0x80 && at < end; ) {
      byte = bytes[at++] as number;
      value += (byte & 0x7f) * scale;
      scale *= 128;
    }
    if (tag === 0x18) return value;
    if (tag % 8 === 2) at += value;
  }
  return 0;
}
