import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { frame } from '../testing/fault-server.js';
import { hotPath, PortWorld, raw } from '../testing/port-world.js';
import { until } from '../testing/probe-call.js';
import { RawCaller } from '../testing/raw-caller.js';
import { callFields } from '../testing/server-bench.js';
import { gunzips } from '../testing/watch-gunzips.js';
import { block, dataFrames, headerFrames, resetFrame } from '../testing/wire.js';
import type { OnePort } from './one-port-options.js';
import type { ServerCall } from './server-call.js';
import type { ServerLoad } from './server-load.js';

vi.mock('node:zlib', async (original) =>
  (await import('../testing/watch-gunzips.js')).watchedZlib(await original<typeof import('node:zlib')>()),
);

const { calls, handle, last, refusals, serve } = new PortWorld();
const bombBytes = 1_000_000;
const bomb = frame(gzipSync(Buffer.alloc(bombBytes), { level: 9 }), 1);
const head = block(...callFields, ['grpc-encoding', 'gzip']);
const honest = (text: string) => frame(gzipSync(text), 1);

const load = () => (last() as OnePort & { readonly load: ServerLoad }).load;
/** Bombs are answered with a status, so that nothing is held for their answers. */
const refuse = (call: ServerCall) => (call.message.length === bombBytes ? call.fail({ code: 5, message: '' }) : handle(call));
const hot = [{ path: hotPath, maxMessageBytes: bombBytes, handle: refuse }];

beforeEach(() => gunzips.reset());

/** Sends so many bombs on one connection, and something after them. */
function throwBombs(port: number, count: number, ...after: Buffer[]): RawCaller {
  const frames = Array.from({ length: count }, (_, i) => [headerFrames(2 * i + 1, head, false), dataFrames(2 * i + 1, bomb, true)]);
  return new RawCaller(port).greet([4, 0x7fffffff]).write(...frames.flat(), ...after);
}

/** Watches what the server holds while messages are inflated. */
function watchHeld(): { most: number } {
  const seen = { most: 0 };
  gunzips.onBytes = () => {
    seen.most = Math.max(seen.most, load().heldBytes);
  };
  return seen;
}

describe('gzip’d requests of the lean listener', () => {
  it('are inflated few at a time, counted as held while they grow, and not afterwards; small ones among them are answered', async () => {
    const held = watchHeld();
    const port = await serve({ http2: 'lean', hot });
    const caller = throwBombs(port, 60);
    await until(() => gunzips.made > 0, 'bombs');
    const answers = await Promise.all(Array.from({ length: 5 }, (_, i) => raw(port, [honest(`honest ${i}`)], { 'grpc-encoding': 'gzip' })));
    expect(answers.map(({ status, body }) => [status, body.subarray(5).toString()])).toEqual(answers.map((_, i) => ['0', `honest ${i}`]));
    await until(() => gunzips.made === 65 && last().inFlight === 0, 'all answers');
    expect([gunzips.most, gunzips.live, load().heldBytes, refusals]).toEqual([4, 0, 0, []]);
    expect(held.most).toBeGreaterThan(bombBytes / 2);
    expect(held.most).toBeLessThanOrEqual(4 * bombBytes + 65 * bomb.length);
    caller.socket.end();
  });

  it('are refused while they grow when the server would hold too much, and the next ones are taken', async () => {
    const held = watchHeld();
    const maxHeldBytes = 1_500_000;
    const refusedForRoom = vi.fn();
    const port = await serve({ http2: 'lean', maxHeldBytes, hot: hot.map((method) => ({ ...method, refusedForRoom })) });
    const caller = throwBombs(port, 40);
    await until(() => refusals.length > 0 && last().inFlight === 0, 'all answers');
    expect(new Set(refusals)).toEqual(new Set(['held-bytes']));
    expect(refusedForRoom).toHaveBeenCalledTimes(refusals.length);
    expect(gunzips.most).toBeLessThanOrEqual(4);
    expect(held.most).toBeGreaterThan(maxHeldBytes / 2);
    expect(held.most).toBeLessThanOrEqual(maxHeldBytes);
    expect(load().heldBytes).toBe(0);
    caller.socket.destroy();
    expect((await raw(port, [honest('later')], { 'grpc-encoding': 'gzip' })).status).toBe('0');
  });

  it('are not inflated when their calls end while they wait', async () => {
    const port = await serve({ http2: 'lean', hot });
    // In one write with the calls, and those that wait first.
    const resets = Array.from({ length: 20 }, (_, i) => resetFrame(2 * i + 1, 8)).reverse();
    const caller = throwBombs(port, 20, ...resets);
    await until(() => gunzips.made > 0 && last().inFlight === 0, 'cancelled calls');
    expect((await raw(port, [honest('later')], { 'grpc-encoding': 'gzip' })).status).toBe('0');
    expect(gunzips.made).toBeLessThan(20);
    expect(calls.map(({ message }) => Buffer.from(message).toString())).toEqual(['later']);
    expect([gunzips.live, load().heldBytes, refusals]).toEqual([0, 0, []]);
    caller.socket.end();
  });

  it('are answered with the same words when nothing bounds their length', async () => {
    const endless = [{ path: hotPath, maxMessageBytes: Number.POSITIVE_INFINITY, handle }];
    const port = await serve({ http2: 'lean', hot: endless });
    const gzip = { 'grpc-encoding': 'gzip' };
    expect((await raw(port, [bomb], gzip)).body.length).toBe(bombBytes + 5);
    expect(await raw(port, [frame(Buffer.from('no gzip'), 1)], gzip)).toMatchObject({ status: '3' });
  });
});
