import type { Socket } from 'node:net';
import { expect } from 'vitest';
import { BufferPool } from '../buffer-pool.js';
import type { BodyWriter } from '../client/unary-call.js';
import { answerBlock, okTrailers } from '../http2/answer-block.js';
import { clientPreface, type Http2Code } from '../http2/frames.js';
import { OutSlab, SlabPool } from '../http2/out-slab.js';
import type { RequestHead } from '../http2/request-head.js';
import { ServerSession, type ServerSessionHost } from '../http2/server-session.js';
import type { ServerStream } from '../http2/server-stream.js';
import { FakeSocket } from './fake-socket.js';
import { block, type CutFrame, cutFrames, settingsAck, settingsFrame } from './wire.js';

const okHead = answerBlock(200, { 'content-type': 'application/grpc' });

/** The head of a gRPC call. */
export const callFields: readonly (readonly [string, string])[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/test.Echo/Echo'],
  [':authority', 'a'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
];
export const callHead: Buffer = block(...callFields);

function bodyOf(bytes: Uint8Array): BodyWriter {
  return { byteLength: bytes.length, write: (target, at) => target.set(bytes, at) };
}

/** A server session with a log of all that callers do; requests wait until the test answers. */
export class ServerBench implements ServerSessionHost {
  readonly pool = new BufferPool(1 << 26);
  readonly slabs = new SlabPool();
  readonly socket = new FakeSocket();
  readonly out: OutSlab;
  readonly session: ServerSession;
  readonly log: string[] = [];
  readonly open = new Map<number, ServerStream>();
  readonly began = new Map<number, number>();
  readonly ends = new Map<number, number>();
  broken: string | null = null;
  /** Answers a request as soon as it is complete. */
  echoes = false;

  constructor(maxStreams = 100) {
    const owner = { beforeWrite: () => {}, drained: () => this.session.windows.pump(), stuck: () => {} };
    this.out = new OutSlab(this.socket as unknown as Socket, owner, this.slabs);
    this.session = new ServerSession(this, this.out, this.pool, maxStreams);
    this.session.greet();
  }

  greeted(): void {}
  blockOpened(): void {}
  leaveAnswered(): void {
    this.session.leave();
  }
  streamsEnded(): void {
    this.log.push('no streams');
  }
  refused(reason: string): void {
    this.log.push(`refused: ${reason}`);
  }
  sessionBroken(problem: string): void {
    this.broken = problem;
    this.log.push(`broken: ${problem}`);
    this.session.abandon();
  }

  requestArrived(stream: ServerStream, head: RequestHead): void {
    const { id } = stream;
    this.log.push(`${id} ${head.method} ${head.path}`);
    this.began.set(id, (this.began.get(id) ?? 0) + 1);
    this.open.set(id, stream);
    const parts: Buffer[] = [];
    stream.request = {
      dataArrived: (bytes) => parts.push(Buffer.from(bytes)),
      requestEnded: () => {
        const body = Buffer.concat(parts);
        this.log.push(`${id} whole ${body.toString('latin1')}`);
        if (this.echoes) this.answer(id, body);
      },
      streamClosed: () => this.#ended(id, 'closed'),
    };
  }

  /** Answers; what could not leave is told later by `closed`. */
  answer(id: number, message: Uint8Array): number {
    const stream = this.open.get(id)!;
    const waiting = this.session.answer(stream, okHead, bodyOf(message), okTrailers);
    if (waiting === 0) this.#ended(id, 'answered');
    return waiting;
  }

  /** Reads what a caller sent. */
  read(bytes: Buffer, sizes: readonly number[] = []): void {
    for (let at = 0, turn = 0; at < bytes.length && this.broken === null; turn++) {
      const size = sizes.length === 0 ? bytes.length : sizes[turn % sizes.length]!;
      const part = Buffer.from(bytes.subarray(at, at + size));
      this.session.feed(part, 0, part.length);
      // As the next read would.
      part.fill(0xee);
      at += size;
    }
  }

  /** What was sent since the last time, as frames. */
  sent(): CutFrame[] {
    this.out.flush();
    const { frames, rest } = cutFrames(Buffer.concat(this.socket.written.splice(0)));
    expect(rest).toHaveLength(0);
    return frames;
  }

  /** The code of the GOAWAY or RST_STREAM that was sent since the last time. */
  verdict(): { goaway: Http2Code | null; resets: [number, number][] } {
    const frames = this.sent();
    const goaway = frames.find(({ type }) => type === 7);
    return {
      goaway: goaway === undefined ? null : (goaway.payload.readUInt32BE(4) as Http2Code),
      resets: frames.filter(({ type }) => type === 3).map(({ streamId, payload }) => [streamId, payload.readUInt32BE(0)]),
    };
  }

  /** Ends everything; nothing may be left anywhere. */
  close(): void {
    this.session.abandon();
    this.out.flush();
    this.socket.drain();
    this.out.close();
    expect(this.session.streams.size).toBe(0);
    expect(this.pool.taken).toBe(0);
    expect(this.slabs.taken).toBe(0);
    expect([...this.ends.keys()].sort()).toEqual([...this.began.keys()].sort());
    for (const counts of [this.began, this.ends]) for (const count of counts.values()) expect(count).toBe(1);
  }

  #ended(id: number, how: string): void {
    this.log.push(`${id} ${how}`);
    this.open.delete(id);
    this.ends.set(id, (this.ends.get(id) ?? 0) + 1);
  }
}

/** A bench whose caller has said its preface and SETTINGS. */
export function greetedServer(settings: readonly (readonly [number, number])[] = [], maxStreams = 100): ServerBench {
  const bench = new ServerBench(maxStreams);
  bench.read(Buffer.concat([Buffer.from(clientPreface), settingsFrame(...settings), settingsAck]));
  expect(bench.sent().map((frame) => [frame.type, frame.flags])).toEqual([
    [4, 0],
    [8, 0],
    [4, 1],
  ]);
  return bench;
}
