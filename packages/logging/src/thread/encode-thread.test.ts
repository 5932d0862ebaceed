import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { EncodeTask } from '../encode/record-encoder.js';
import type { LogMessage } from '../log-message.js';
import { encodeAll } from '../testing/encode-all.js';
import { readVectors, recordFromVector, recordOf } from '../testing/log-vectors.js';
import { buffersOf, EncodeRequests } from './encode-requests.js';
import { EncodeThread, type TaskOwner, type ThreadChannel } from './encode-thread.js';
import type { ThreadInput } from './thread-messages.js';

/** Both sides in this thread; messages are cloned and their memory transferred, as between threads. */
class LocalChannel extends EventEmitter {
  readonly work = new EncodeRequests(null);
  chunks = 0;
  isDead = false;

  postMessage(message: unknown, transfer: readonly ArrayBuffer[]): void {
    this.chunks++;
    if (this.isDead) return;
    const outputs = this.work.run(structuredClone(message as ThreadInput, { transfer: [...transfer] }));
    queueMicrotask(() => this.emit('message', structuredClone(outputs, { transfer: buffersOf(outputs) })));
  }

  terminate(): void {
    this.isDead = true;
  }
}

class Owner implements TaskOwner {
  readonly messages: LogMessage[] = [];
  readonly losses: string[] = [];
  unfitCells = 0;
  encoded(message: LogMessage): void {
    this.messages.push(message);
  }
  lost(modelConfigId: string, rows: number, reason: string): void {
    this.losses.push(`${modelConfigId} ${rows} ${reason}`);
  }
  unfit(_: string, cells: number): void {
    this.unfitCells += cells;
  }
}

function taskOf({ record, schema }: ReturnType<typeof recordOf>, changes: Partial<EncodeTask> = {}): EncodeTask {
  const task = { record, parentEntity: '', schema, format: 'proto', zstd: null, topic: 't', maxRecordBytes: 1_000_000 } as const;
  return { ...task, createdAtMs: 1_700_000_000_000, ...changes };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const open = (channel: LocalChannel, onEnded?: (error: Error) => void): EncodeThread =>
  new EncodeThread({ channel: channel as unknown as ThreadChannel, ...(onEnded !== undefined && { onEnded }) });

describe('EncodeThread', () => {
  it('writes what encoding here writes, byte for byte, in every format', async () => {
    const thread = open(new LocalChannel());
    const seen = new Set<string>();
    for (const vector of readVectors('written-by-go')) {
      if (vector.matrix === undefined) continue;
      for (const format of ['proto', 'arrow', 'parquet'] as const) {
        const made = recordFromVector(vector, true);
        const here = encodeAll(made, format, { parentEntity: '' });
        const owner = new Owner();
        thread.add(taskOf(made, { format }), owner);
        // The request's memory is free again: what others write into it must not matter.
        for (const block of made.record.matrix.blocks) block?.memory.bytes.fill(0xee);
        thread.flush();
        await settled();
        expect(
          owner.messages.map(({ value }) => Buffer.from(value).toString('base64')),
          `${vector.name} ${format}`,
        ).toEqual(here.messages.map(({ value }) => Buffer.from(value).toString('base64')));
        expect(owner.messages.map(({ rowCount, schema }) => [rowCount, schema])).toEqual(
          here.messages.map(({ rowCount }) => [rowCount, made.schema]),
        );
        expect([owner.losses.length, owner.unfitCells]).toEqual([here.lost.length, here.unfit]);
        seen.add(format);
      }
    }
    expect([seen.size, thread.hasWork, thread.pendingBytes]).toEqual([3, false, 0]);
  });

  it('sends several requests at once, and knows a plan that it has sent', async () => {
    const channel = new LocalChannel();
    const thread = open(channel);
    const owner = new Owner();
    const made = recordOf({ features: [{ name: 'i', type: 'INT32' }], rows: [{ text: { i: '7' }, bytes: {} }] });
    for (let turn = 0; turn < 10; turn++) thread.add(taskOf(made), owner);
    expect(channel.chunks).toBe(0);
    expect(thread.pendingBytes).toBeGreaterThan(0);
    thread.flush();
    for (let turn = 0; turn < 64; turn++) thread.add(taskOf(made), owner);
    expect(channel.chunks).toBe(2);
    await settled();
    expect(new Set(owner.messages.map(({ value }) => Buffer.from(value).toString('hex'))).size).toBe(1);
    expect(owner.messages.length).toBe(74);
  });

  it('tells what it cannot encode', async () => {
    const thread = open(new LocalChannel());
    const owner = new Owner();
    const text = 'x'.repeat(600);
    const made = recordOf({
      features: [{ name: 's', type: 'String' }],
      rows: [
        { text: { s: text }, bytes: {} },
        { text: { s: 'y' }, bytes: {} },
      ],
      modelConfigId: 'm1',
    });
    thread.add(taskOf(made, { maxRecordBytes: 500 }), owner);
    thread.flush();
    await settled();
    expect(owner.losses).toEqual(['m1 1 record_too_large']);
    expect(owner.messages.map(({ rowCount }) => rowCount)).toEqual([1]);
  });

  it('counts what a dead thread had, says so once, and takes nothing more', async () => {
    const channel = new LocalChannel();
    const ended: string[] = [];
    const thread = open(channel, (error) => ended.push(error.message));
    const owner = new Owner();
    const made = recordOf({ features: [{ name: 'i', type: 'INT32' }], rows: [{ text: { i: '7' }, bytes: {} }], modelConfigId: 'm1' });
    channel.isDead = true;
    thread.add(taskOf(made), owner);
    thread.flush();
    thread.add(taskOf(made), owner);
    channel.emit('error', new Error('out of memory'));
    channel.emit('exit');
    expect(ended).toEqual(['out of memory']);
    expect(owner.losses).toEqual(['m1 1 encode_thread_ended', 'm1 1 encode_thread_ended']);
    expect([thread.isUp, thread.hasWork, thread.pendingBytes]).toEqual([false, false, 0]);
  });
});
