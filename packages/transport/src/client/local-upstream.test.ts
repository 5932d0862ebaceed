import { afterEach, describe, expect, it } from 'vitest';
import { messageBuffers } from '../buffer-pool.js';
import { ProbeCall, run, sleep, until } from '../testing/probe-call.js';
import { thrownBy } from '../testing/thrown-by.js';
import { createLocalUpstream } from './local-upstream.js';

afterEach(() => expect(messageBuffers.taken).toBe(0));

describe('createLocalUpstream', () => {
  it('runs a synchronous handler without a promise, with path and headers', async () => {
    const seen: unknown[] = [];
    const upstream = createLocalUpstream('service', (path, message, headers) => {
      seen.push(path, headers[':authority']);
      return message;
    });
    expect((await run(upstream, new ProbeCall('sync'))).text).toBe('sync');
    expect(seen).toEqual(['/test.Echo/Echo', 'echo']);
    expect(await upstream.ready?.(0)).toBe(true);
  });

  it('keeps a long message for a handler whose call is gone, until it settles', async () => {
    let release = () => {};
    let content = 0;
    const upstream = createLocalUpstream('service', async (_path, message) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      content = message[99_999] ?? 0;
      return message;
    });
    const call = new ProbeCall(Buffer.alloc(100_000, 7));
    upstream.start(call);
    await sleep(5);
    upstream.cancel(call);
    expect(upstream).toMatchObject({ inFlight: 0, running: 1 });
    const echo = createLocalUpstream('echo', (_path, message) => message);
    await run(echo, new ProbeCall(Buffer.alloc(100_000, 9)));
    release();
    await until(() => upstream.running === 0);
    expect(content).toBe(7);
    expect(call.ends).toBe(0);
  });

  it('tells a handler through its signal that the deadline passed, also when it asks late', async () => {
    const reasons: unknown[] = [];
    const upstream = createLocalUpstream('service', async (_path, message, _headers, signal) => {
      if (message[0] === 1) {
        const early = signal();
        expect(signal()).toBe(early);
        early.addEventListener('abort', () => reasons.push(early.reason.code));
      }
      await sleep(150);
      if (message[0] === 2) reasons.push(signal().reason.code);
      return message;
    });
    for (const kind of [1, 2]) expect((await run(upstream, new ProbeCall(Buffer.from([kind]), 15))).failure?.reason).toBe('deadline');
    await until(() => reasons.length === 2);
    expect(reasons).toEqual(['INFERFLOW_TRANSPORT_DEADLINE', 'INFERFLOW_TRANSPORT_DEADLINE']);
  });

  it('refuses what is no name, handler or bound', () => {
    const untyped = createLocalUpstream as unknown as (...given: readonly unknown[]) => unknown;
    expect(thrownBy(() => untyped('', null, { maxInFlight: Number.NaN }))).toMatchObject({
      code: 'INFERFLOW_TRANSPORT_OPTIONS_INVALID',
      message:
        'local upstream: name is "", expected a text for failures; handler is null, expected a function; maxInFlight is NaN, expected a number, at least 1',
    });
    expect(thrownBy(() => untyped('service', () => new Uint8Array(0), null)).message).toContain('options is null');
  });

  it('waits as long for open calls as it is told, also longer than a timer can', async () => {
    const upstream = createLocalUpstream('service', async (_path, message) => {
      await sleep(20);
      return message;
    });
    const answered = run(upstream, new ProbeCall('kept'));
    await upstream.close(2 ** 31);
    expect((await answered).text).toBe('kept');
  });

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['string', 'text'],
    ['object', [1, 2]],
  ])('fails the call of a handler that answers with %s, at once or later', async (kind, answer) => {
    for (const handler of [() => answer, async () => answer]) {
      const upstream = createLocalUpstream('service', handler as () => never);
      expect((await run(upstream, new ProbeCall(Buffer.alloc(100_000)))).failure).toMatchObject({
        reason: 'exception',
        message: `service answered with ${kind} instead of a Uint8Array`,
      });
      expect(upstream).toMatchObject({ inFlight: 0, running: 0 });
    }
  });

  it('reports what a handler throws as an exception', async () => {
    const upstream = createLocalUpstream('service', (_path, message) => {
      if (message.length === 0) throw 'text';
      throw new Error('no model');
    });
    expect((await run(upstream, new ProbeCall('x'))).failure).toEqual({ reason: 'exception', code: 2, message: 'service threw: no model' });
    expect((await run(upstream, new ProbeCall(''))).failure?.message).toBe('service threw: a value that is no error');
  });
});
