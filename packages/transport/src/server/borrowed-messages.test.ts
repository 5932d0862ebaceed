import { createHash, pbkdf2, randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { frame } from '../testing/fault-server.js';
import { hotPath, PortWorld } from '../testing/port-world.js';
import { until } from '../testing/probe-call.js';
import { RawCaller } from '../testing/raw-caller.js';
import { block, type Dress, dataFrames, h2Frame, headerFrames, plainDress, windowFrame } from '../testing/wire.js';
import type { ServerCall } from './server-call.js';

const { overBoth, serve, last } = new PortWorld();
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** How a request lies on the wire. */
interface Form {
  readonly size: number;
  readonly isGzip: boolean;
  /** What END_STREAM is on: the last DATA frame of the message, an empty one of its own, or trailers. */
  readonly ending: 'data' | 'empty' | 'trailers';
  readonly padding: number;
  readonly dataSize: number;
}

const head = (isGzip: boolean) =>
  block(
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', hotPath],
    [':authority', 'a'],
    ['content-type', 'application/grpc'],
    ...(isGzip ? ([['grpc-encoding', 'gzip']] as const) : []),
  );

function request(id: number, message: Uint8Array, { isGzip, ending, padding, dataSize }: Form): Buffer {
  const dress: Dress = { ...plainDress, dataSize: () => dataSize, padding: () => padding };
  const body = frame(isGzip ? gzipSync(message) : message, isGzip ? 1 : 0);
  return Buffer.concat([
    headerFrames(id, head(isGzip), false),
    dataFrames(id, body, ending === 'data', dress),
    ...(ending === 'empty' ? [h2Frame(0, 1, id)] : []),
    ...(ending === 'trailers' ? [headerFrames(id, block(['x-checksum', '1']), true)] : []),
  ]);
}

const forms = (mayZip: boolean) =>
  fc.array(
    fc.record({
      size: fc.oneof(fc.nat(20), fc.integer({ min: 1000, max: 40_000 })),
      isGzip: mayZip ? fc.boolean() : fc.constant(false),
      ending: fc.constantFrom('data', 'data', 'empty', 'trailers'),
      padding: fc.constantFrom(-1, -1, 0, 200),
      dataSize: fc.constantFrom(16_000, 16_000, 3000, 700),
    }),
    { minLength: 1, maxLength: 12 },
  );
const writeSizes = fc.array(fc.oneof(fc.integer({ min: 200, max: 999 }), fc.integer({ min: 5000, max: 60_000 })), {
  minLength: 1,
  maxLength: 6,
});

/** Sends requests with random messages on one connection, in writes of these sizes, and says what they were. */
async function send(caller: RawCaller, list: readonly Form[], sizes: readonly number[]): Promise<string[]> {
  caller.greet([4, 0x7fffffff]).write(windowFrame(0, 0x7fffffff - 65_535));
  const messages = list.map(({ size }) => randomBytes(size));
  const bytes = Buffer.concat(list.map((form, at) => request(at * 2 + 1, messages[at]!, form)));
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    caller.write(bytes.subarray(at, at + size));
    at += size;
    // Many a write arrives as a read of its own.
    if (turn % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return messages.map(digest);
}

overBoth('messages', (isLean) => {
  it('stay as they are as long as a method holds them', { timeout: 60_000 }, async () => {
    let held: Uint8Array[] = [];
    const port = await serve({ hot: [{ path: hotPath, maxMessageBytes: 100_000, handle: (call) => held.push(call.message) }] });
    await fc.assert(
      fc.asyncProperty(forms(isLean), writeSizes, async (list, sizes) => {
        held = [];
        const caller = new RawCaller(port);
        const sent = await send(caller, list, sizes);
        await until(() => held.length === sent.length, 'all calls');
        // Whatever comes after them is read to where they may have been.
        for (let at = 0; at < 20; at++) caller.write(h2Frame(99, 0, 0, Buffer.alloc(16_000, 0xee)));
        caller.socket.end();
        await until(() => last().connections === 0, 'closed connection');
        expect(held.map(digest).sort()).toEqual(sent.sort());
      }),
      { numRuns: 40 },
    );
  });

  it.runIf(isLean)('are inflated from bytes that nothing overwrites', async () => {
    const seen: string[] = [];
    const overwritten: number[] = [];
    const handle = (call: ServerCall) => {
      seen.push(digest(call.message));
      if (call.message.length > 100) return;
      // As the next read would, and before anything has been inflated.
      overwritten.push(call.message.buffer.byteLength);
      new Uint8Array(call.message.buffer).fill(0xee);
    };
    const port = await serve({ hot: [{ path: hotPath, maxMessageBytes: 100_000, borrowsMessage: true, handle }] });
    const caller = new RawCaller(port).greet();
    await until(() => caller.frames.length > 0, 'greeting');
    const form: Form = { size: 0, isGzip: true, ending: 'data', padding: -1, dataSize: 16_384 };
    const messages = [randomBytes(9000), randomBytes(10)];
    // What would inflate it has something else to do first.
    for (let at = 0; at < 16; at++) pbkdf2('', '', 100_000, 1, 'sha256', () => {});
    caller.write(request(1, messages[0]!, form), request(3, messages[1]!, { ...form, isGzip: false }));
    await until(() => seen.length === 2, 'both calls');
    expect(seen.sort()).toEqual(messages.map(digest).sort());
    expect(overwritten[0]).toBeGreaterThan(9000);
    caller.socket.end();
  });

  it('are whole while a method that borrows them runs, and gone afterwards', { timeout: 60_000 }, async () => {
    let seen: string[] = [];
    let calls: ServerCall[] = [];
    const handle = (call: ServerCall) => {
      seen.push(digest(call.message));
      calls.push(call);
    };
    const port = await serve({ hot: [{ path: hotPath, maxMessageBytes: 100_000, borrowsMessage: true, handle }] });
    await fc.assert(
      fc.asyncProperty(forms(isLean), writeSizes, async (list, sizes) => {
        seen = [];
        calls = [];
        const caller = new RawCaller(port);
        const sent = await send(caller, list, sizes);
        await until(() => seen.length === sent.length, 'all calls');
        caller.socket.end();
        await until(() => last().connections === 0, 'closed connection');
        expect(seen.sort()).toEqual(sent.sort());
        expect(calls.map(({ message }) => message.length)).toEqual(sent.map(() => 0));
      }),
      { numRuns: 40 },
    );
  });
});
