import { describe, expect, it } from 'vitest';
import type { LogMessage } from '../log-message.js';
import { SinkQueue } from '../pipeline/sink-queue.js';
import { VirtualClock } from '../testing/virtual-clock.js';
import { createKafkaSink } from './kafka-sink.js';
import { encodeRecordBatch } from './record-batch.js';

function message(trackingId: string, bytes: number): LogMessage {
  const facts = { topic: 't', modelConfigId: 'm', rowCount: 1, messageStart: 0, format: 'proto', createdAtMs: 1, schema: null } as const;
  return { ...facts, trackingId, value: new Uint8Array(bytes), messageLength: bytes };
}

describe('createKafkaSink', () => {
  it.each(['none', 'tracking_id', 'model'] as const)('keeps batches below their limit, keys included: %s', async (key) => {
    const maxBatchBytes = 100_000;
    const sink = await createKafkaSink({ brokers: ['localhost:1'], key, maxBatchBytes });
    const batches: (readonly LogMessage[])[] = [];
    sink.deliver = async (_, batch) => {
      batches.push(batch);
      return { isDelivered: true };
    };
    const clock = new VirtualClock();
    const observer = { dropped: () => {}, delivered: () => {}, failed: () => {}, spilled: () => {} };
    const times = { lingerMs: 10, retryMs: 100, maxRetryMs: 1000 };
    const queue = new SinkQueue({ sink, maxBytes: 1 << 30, policy: 'drop-newest', spill: null, ...times, clock, observer });
    for (let index = 0; index < 1000; index++) queue.push(message(`ä${index}`.padEnd(100, '…'), 300));
    await clock.advance(1000);
    expect(batches.flat().length).toBe(1000);
    expect(batches.length).toBeLessThan(10);
    for (const batch of batches) {
      const keyOf = ({ trackingId, modelConfigId }: LogMessage) => (key === 'none' ? null : key === 'model' ? modelConfigId : trackingId);
      const records = batch.map((each) => ({ key: keyOf(each), value: each.value, timestampMs: each.createdAtMs }));
      const pieces = await encodeRecordBatch(records, { id: 1n, epoch: 0, firstSequence: 0 }, { id: 0, compress: null });
      expect(pieces.reduce((sum, piece) => sum + piece.length, 0)).toBeLessThanOrEqual(maxBatchBytes);
    }
  });
});
