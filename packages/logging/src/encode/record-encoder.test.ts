import { fromBinary } from '@bufbuild/protobuf';
import { InferflowLogSchema, KafkaRequestSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import type { LogMessage } from '../log-message.js';
import { encodeAll, messageOf } from '../testing/encode-all.js';
import { type LogVector, readVectors, recordFromVector, recordOf } from '../testing/log-vectors.js';
import { RecordEncoder } from './record-encoder.js';

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** What we write differently on purpose: half floats from texts and wide bytes, BYTES, the unset compression flag with version 1. */
const fixed = new Set(['text-columns', 'bytes-type', 'fp16-from-fp32-bytes', 'compression-flag']);

describe('RecordEncoder, proto', () => {
  const vectors = readVectors('written-by-go').filter(({ name }) => name.split('/')[1] === 'proto');
  it.each(vectors.filter(({ name }) => !fixed.has(name.split('/')[0] as string)))('writes $name byte for byte', (vector) => {
    const { messages } = encodeAll(recordFromVector(vector, true), 'proto');
    const offset = vector.matrix?.row_offset ?? 0;
    const batch = vector.matrix?.batch_size || 500;
    const message = messages[offset / batch] as LogMessage;
    expect(base64(message.value)).toBe(vector.kafka_value);
    expect(base64(message.value.subarray(message.messageStart, message.messageStart + message.messageLength))).toBe(vector.message);
  });

  it('writes texts as the original but for half floats, which are IEEE', () => {
    const vector = vectors.find(({ name }) => name.startsWith('text-columns')) as LogVector;
    const ours = fromBinary(InferflowLogSchema, messageOf(encodeAll(recordFromVector(vector, true), 'proto').messages[0] as LogMessage));
    const theirs = fromBinary(InferflowLogSchema, new Uint8Array(Buffer.from(vector.message, 'base64')));
    const half = 1 + 4 + 8 + 4 + 8;
    const patched = theirs.features.map(({ encodedFeatures }, row) => {
      const bytes = Buffer.from(encodedFeatures);
      bytes.writeUInt16LE(row === 0 ? 0x3e00 : 0x3c00, half);
      return bytes.toString('base64');
    });
    expect(ours.features.map(({ encodedFeatures }) => base64(encodedFeatures))).toEqual(patched);
  });

  it('flags a missing text as generated and leaves it empty, where the original writes 0.0', () => {
    const made = (compat: boolean) =>
      recordOf({
        features: [{ name: 's', type: 'String' }],
        rows: [
          { text: {}, bytes: {} },
          { text: { s: 'x' }, bytes: {} },
        ],
        compat,
      });
    expect(rowsOf(encodeAll(made(false), 'proto').messages)).toEqual(['000000', '01010078']);
    expect(rowsOf(encodeAll(made(true), 'proto').messages)).toEqual(['000300302e30', '01010078']);
  });

  it('writes BYTES with the inner length that readers expect', () => {
    const made = recordOf({ features: [{ name: 'b', type: 'BYTES' }], rows: [{ text: { b: 'hello' }, bytes: {} }] });
    expect(rowsOf(encodeAll(made, 'proto').messages)).toEqual([`0107000500${Buffer.from('hello').toString('hex')}`]);
  });

  it('loses a value that does not fit, not the row', () => {
    const made = recordOf({
      features: [
        { name: 'i', type: 'INT32' },
        { name: 's', type: 'String' },
      ],
      rows: [
        { text: { s: 'x'.repeat(65_536) }, bytes: { i: new Uint8Array(2) } },
        { text: { s: 'y' }, bytes: { i: new Uint8Array([1, 0, 0, 0]) } },
      ],
    });
    expect(rowsOf(encodeAll(made, 'proto').messages)).toEqual(['00000000000000', '0101000000010079']);
  });

  it('splits messages so that each record stays below the limit, and loses only a row that is larger alone', () => {
    const rows = Array.from({ length: 40 }, (_, index) => ({ text: { s: 'z'.repeat(index === 20 ? 5000 : 300) }, bytes: {} }));
    for (const format of ['proto', 'arrow', 'parquet'] as const) {
      const made = recordOf({ features: [{ name: 's', type: 'String' }], rows });
      const { messages, lost } = encodeAll(made, format, { maxRecordBytes: 4000 });
      expect(messages.length).toBeGreaterThan(3);
      for (const message of messages) expect(message.value.length).toBeLessThanOrEqual(4000);
      const ids = messages.flatMap((message) => fromBinary(InferflowLogSchema, messageOf(message)).entities);
      expect(ids.sort()).toEqual(
        rows
          .map((_, index) => `e${index + 1}`)
          .filter((id) => id !== 'e21')
          .sort(),
      );
      expect(messages.reduce((sum, { rowCount }) => sum + rowCount, 0)).toBe(39);
      expect(lost).toEqual(['1 record_too_large']);
    }
  });

  it('cuts versions into their four bits', () => {
    const made = recordOf({ features: [{ name: 'i', type: 'Int32' }], rows: [{ text: {}, bytes: {} }], version: 17 });
    const log = fromBinary(InferflowLogSchema, messageOf(encodeAll(made, 'proto').messages[0] as LogMessage));
    expect([...log.metadata]).toEqual([0x04]);
  });

  it('wraps the message for Kafka', () => {
    const made = recordOf({ features: [{ name: 'i', type: 'Int32' }], rows: [{ text: {}, bytes: {} }] });
    const request = fromBinary(KafkaRequestSchema, (encodeAll(made, 'proto').messages[0] as LogMessage).value);
    expect(request.value?.eventName).toBe('inferflow_inference_logs');
    expect(request.value?.eventId).toBe('t1');
    expect(request.value?.createdAt).toBe(1_700_000_000n);
    expect(request.value?.userId).toBe('u1');
    expect(request.value?.properties?.typeUrl).toBe('type.googleapis.com/InferflowLog');
  });

  it('reports a model whose id column is not there', () => {
    const made = recordOf({ features: [{ name: 'i', type: 'Int32' }], rows: [{ text: {}, bytes: {} }] });
    const record = { ...made.record, target: () => null };
    expect(encodeAll({ ...made, record }, 'proto')).toEqual({ messages: [], lost: ['1 id_column_not_found'], unfit: 0 });
  });
});

function rowsOf(messages: readonly LogMessage[]): string[] {
  return messages.flatMap((message) =>
    fromBinary(InferflowLogSchema, messageOf(message)).features.map(({ encodedFeatures }) => Buffer.from(encodedFeatures).toString('hex')),
  );
}

describe('RecordEncoder, steps', () => {
  it.each(['proto', 'arrow', 'parquet'] as const)('leaves the thread to others every few thousand cells (%s)', (format) => {
    const [columns, rows] = [200, 100];
    const names = Array.from({ length: columns }, (_, index) => `f${index}`);
    const cells = Object.fromEntries(names.map((name) => [name, new Uint8Array(4)]));
    const made = recordOf({
      features: names.map((name) => ({ name, type: 'FP32' })),
      rows: Array.from({ length: rows }, () => ({ text: {}, bytes: cells })),
    });
    const encoder = new RecordEncoder({ encoded: () => {}, lost: () => {}, unfit: () => {} });
    let steps = 0;
    const task = {
      record: made.record,
      parentEntity: '',
      schema: made.schema,
      format,
      zstd: null,
      topic: 't',
      maxRecordBytes: 1e6,
      createdAtMs: 0,
    };
    for (const _ of encoder.encode(task)) steps++;
    expect(steps).toBeGreaterThanOrEqual((columns * rows) / 2048);
  });
});
