import type { Socket } from 'node:net';
import { expect } from 'vitest';
import { BufferPool } from '../buffer-pool.js';
import type { CallFailure } from '../failure.js';
import { ClientSession, type SessionHost } from '../http2/client-session.js';
import { clientPreface } from '../http2/frames.js';
import { OutSlab, SlabPool } from '../http2/out-slab.js';
import type { Stream } from '../http2/stream.js';
import { FakeSocket } from './fake-socket.js';
import { ProbeCall } from './probe-call.js';
import { type CutFrame, cutFrames, settingsAck, settingsFrame } from './wire.js';

/** A session with calls on it, and a log of all that became of them. */
export class Bench implements SessionHost {
  readonly pool = new BufferPool(1 << 26);
  readonly slabs = new SlabPool();
  readonly socket = new FakeSocket();
  readonly out: OutSlab;
  readonly session: ClientSession;
  readonly log: string[] = [];
  readonly ends = new Map<number, number>();
  broken: string | null = null;

  constructor() {
    const owner = { beforeWrite: () => {}, drained: () => this.session.windows.pump(), stuck: () => {} };
    this.out = new OutSlab(this.socket as unknown as Socket, owner, this.slabs);
    this.session = new ClientSession(this, this.out, this.pool, false);
    this.session.greet();
  }

  greeted(): void {
    this.log.push('greeted');
  }
  limitsChanged(): void {}
  pingAnswered(): void {
    this.log.push('pong');
  }
  goawayArrived(): void {
    for (const stream of this.session.streams.list())
      if (stream.id > this.session.lastStream) {
        this.session.forget(stream);
        this.#end(stream, 'refused by GOAWAY');
      }
  }
  answerEnded(stream: Stream): void {
    const message = stream.isComplete ? Buffer.from(stream.view()).toString('latin1') : `${stream.received} of ${stream.announced}`;
    this.#end(stream, `status ${stream.verdict?.grpcStatus ?? 'none'} ${stream.isCompressed ? 'compressed ' : ''}"${message}"`);
  }
  answerRefused(stream: Stream, failure: CallFailure): void {
    this.#end(stream, `${failure.reason} ${failure.message}`);
  }
  streamReset(stream: Stream, code: number): void {
    this.session.forget(stream);
    this.#end(stream, `reset ${code}`);
  }
  sessionBroken(problem: string): void {
    this.broken = problem;
    this.log.push(`broken: ${problem}`);
  }

  start(body: Uint8Array | string = 'question', maxAnswerBytes = 100_000): Stream {
    const stream = this.session.start(new ProbeCall(body, Number.POSITIVE_INFINITY, maxAnswerBytes));
    if (stream === null) throw new Error('the peer does not take such headers');
    return stream;
  }

  /** Feeds reads through one buffer, as a socket does. */
  read(bytes: Buffer, sizes: readonly number[] = []): void {
    const buffer = Buffer.alloc(bytes.length + 8);
    for (let at = 0, turn = 0; at < bytes.length && this.broken === null; turn++) {
      const size = sizes.length === 0 ? bytes.length : sizes[turn % sizes.length]!;
      buffer.fill(0xdd);
      const length = bytes.copy(buffer, 0, at, Math.min(at + size, bytes.length));
      this.session.feed(buffer, 0, length);
      at += length;
    }
  }

  /** What was sent since the last time, as frames. */
  sent(): CutFrame[] {
    this.out.flush();
    const bytes = Buffer.concat(this.socket.written.splice(0));
    const { frames, rest } = cutFrames(bytes.indexOf(clientPreface) === 0 ? bytes.subarray(clientPreface.length) : bytes);
    expect(rest).toHaveLength(0);
    return frames;
  }

  /** Ends everything; nothing may be left anywhere. */
  close(): void {
    this.session.stop();
    for (const stream of this.session.streams.list()) {
      this.session.forget(stream);
      this.#end(stream, 'lost');
    }
    this.out.flush();
    this.socket.drain();
    this.out.close();
    expect(this.session.streams.size).toBe(0);
    expect(this.pool.taken).toBe(0);
    expect(this.slabs.taken).toBe(0);
  }

  #end(stream: Stream, what: string): void {
    this.log.push(`${stream.id} ${what}`);
    this.ends.set(stream.id, (this.ends.get(stream.id) ?? 0) + 1);
    expect(stream.call).not.toBeNull();
    stream.call = null;
    stream.release(this.pool);
  }
}

/** A bench whose peer has said its SETTINGS. */
export function greetedBench(...settings: (readonly [number, number])[]): Bench {
  const bench = new Bench();
  bench.sent();
  bench.read(Buffer.concat([settingsFrame(...settings), settingsAck]));
  expect(bench.sent().map((frame) => [frame.type, frame.flags])).toEqual([[4, 1]]);
  return bench;
}
