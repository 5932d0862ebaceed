import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CallScope } from '../call-scope.js';
import { deadlines } from '../deadline-queue.js';
import { GrpcError } from '../errors.js';
import { answer, FaultServer, frame, refuse } from '../testing/fault-server.js';
import { ProbeCall, run, sleep, until } from '../testing/probe-call.js';
import { createLocalUpstream } from './local-upstream.js';
import type { Upstream } from './unary-call.js';
import { createUpstream } from './upstream.js';

/** One service behind every kind of upstream. The first word of the message says what to do. */
interface Subject {
  create(options?: { maxInFlight?: number }): Promise<Upstream & { inFlight: number }>;
  stop(): Promise<void>;
  cancelled(): number;
}

function remote(protocol: 'lean' | 'node'): Subject {
  const server = new FaultServer();
  server.behaviour = (stream, _headers, message) => {
    const [word, argument] = message.toString().split(' ');
    if (word === 'never') return;
    if (word === 'slow') void sleep(Number(argument)).then(() => answer(stream, frame(message)));
    else if (word === 'status') refuse(stream, Number(argument), 'as%20asked');
    else if (word === 'large') answer(stream, frame(Buffer.alloc(Number(argument), 7)));
    else answer(stream, frame(message));
  };
  return {
    async create(options) {
      if (server.port === 0) await server.start();
      return createUpstream({ name: 'subject', protocol, host: '127.0.0.1', port: server.port, ...options });
    },
    stop: () => server.kill(),
    cancelled: () => server.resets.length,
  };
}

function local(): Subject {
  let cancelled = 0;
  return {
    async create(options) {
      return createLocalUpstream(
        'subject',
        async (_path, message, _headers, signal) => {
          const [word, argument] = Buffer.from(message).toString().split(' ');
          signal().addEventListener('abort', () => {
            cancelled++;
          });
          if (word === 'never') return await new Promise<never>(() => {});
          if (word === 'slow') await sleep(Number(argument));
          if (word === 'status') throw new GrpcError(Number(argument), 'as asked');
          if (word === 'large') return Buffer.alloc(Number(argument), 7);
          return message;
        },
        options,
      );
    },
    stop: async () => {},
    cancelled: () => cancelled,
  };
}

describe.each([
  ['remote, lean', () => remote('lean')],
  ['remote, node', () => remote('node')],
  ['local', local],
] as const)('the contract of a call, %s upstream', (_name, make) => {
  const subject = make();
  let upstream: Upstream & { inFlight: number };

  beforeAll(async () => {
    upstream = await subject.create();
  });
  afterAll(async () => {
    await upstream.close(0);
    await subject.stop();
    expect(upstream.inFlight).toBe(0);
    expect(deadlines.size).toBe(0);
  });

  it('answers with the message', async () => {
    const call = await run(upstream, new ProbeCall('hello'));
    expect(call.text).toBe('hello');
    expect(call.upstream).toBeNull();
  });

  it('carries empty and long messages', async () => {
    expect((await run(upstream, new ProbeCall(''))).answer).toHaveLength(0);
    const long = new Uint8Array(300_000).map((_, i) => i);
    expect(Buffer.compare((await run(upstream, new ProbeCall(long))).answer ?? Buffer.alloc(0), long)).toBe(0);
  });

  it('hands out plain bytes: slice() is a copy', async () => {
    for (const size of [3, 300_000]) {
      const call = new ProbeCall(Buffer.alloc(size, 1));
      let isPlain = false;
      call.succeeded = (message) => {
        isPlain = Object.getPrototypeOf(message) === Uint8Array.prototype;
        call.onEnd?.();
      };
      await run(upstream, call);
      expect(isPlain).toBe(true);
    }
  });

  it('ends every one of many calls exactly once, none inside start', async () => {
    const calls = Array.from({ length: 200 }, (_, i) => new ProbeCall(i % 3 === 0 ? `status ${1 + (i % 16)}` : `slow ${i % 7} ${i}`));
    await Promise.all(calls.map((call) => run(upstream, call)));
    await sleep(10);
    for (const call of calls) expect(call).toMatchObject({ ends: 1, endedInsideStart: false });
    expect(upstream.inFlight).toBe(0);
  });

  it('reports the status of the service', async () => {
    const call = await run(upstream, new ProbeCall('status 5'));
    expect(call.failure).toEqual({ reason: 'rejected', code: 5, message: 'as asked' });
    expect((await run(upstream, new ProbeCall('status 8'))).failure?.reason).toBe('overloaded');
    expect((await run(upstream, new ProbeCall('status 4'))).failure?.reason).toBe('deadline');
  });

  it('fails with deadline when the time is up', async () => {
    const began = performance.now();
    const call = await run(upstream, new ProbeCall('never', 40));
    expect(call.failure).toMatchObject({ reason: 'deadline', code: 4 });
    expect(performance.now() - began).toBeGreaterThanOrEqual(39);
    expect(performance.now() - began).toBeLessThan(400);
  });

  it('fails at once, not inside start, when the time was up before', async () => {
    const call = await run(upstream, new ProbeCall('never', -1));
    expect(call).toMatchObject({ failure: { reason: 'deadline' }, endedInsideStart: false, writes: 0 });
  });

  it('is silent after cancel, and tells the service', async () => {
    const before = subject.cancelled();
    const call = new ProbeCall('never');
    upstream.start(call);
    await sleep(20);
    upstream.cancel(call);
    upstream.cancel(call);
    expect(call.upstream).toBeNull();
    await until(() => subject.cancelled() === before + 1, 'cancellation at the service');
    expect(call.ends).toBe(0);
    expect(upstream.inFlight).toBe(0);
  });

  it('is silent when cancelled in the turn it was started', async () => {
    const call = new ProbeCall('hello');
    upstream.start(call);
    upstream.cancel(call);
    await sleep(20);
    expect(call.ends).toBe(0);
  });

  it('ends silently with its scope', async () => {
    const scope = new CallScope();
    const call = new ProbeCall('never');
    scope.attach(call);
    upstream.start(call);
    scope.end('deadline');
    await sleep(10);
    expect(call.ends).toBe(0);
    expect(upstream.inFlight).toBe(0);
  });

  it('does not start a call whose scope ended before', async () => {
    const scope = new CallScope();
    scope.end('cancelled');
    const call = new ProbeCall('hello');
    scope.attach(call);
    upstream.start(call);
    await sleep(10);
    expect(call).toMatchObject({ ends: 0, writes: 0 });
  });

  it('refuses a call object that was used before', async () => {
    const call = await run(upstream, new ProbeCall('hello'));
    expect(() => upstream.start(call)).toThrow(expect.objectContaining({ code: 'INFERFLOW_TRANSPORT_CALL_IN_USE' }));
    const open = new ProbeCall('never');
    upstream.start(open);
    expect(() => upstream.start(open)).toThrow(/started once/);
    upstream.cancel(open);
  });

  it('cuts off an answer above the limit', async () => {
    const call = await run(upstream, new ProbeCall('large 5000', 5000, 4000));
    expect(call.failure).toMatchObject({ reason: 'malformed', code: 8 });
    expect((await run(upstream, new ProbeCall('large 5000', 5000, 5000))).answer).toHaveLength(5000);
  });

  it('refuses what is above its bound as overloaded, and recovers', async () => {
    const bounded = await subject.create({ maxInFlight: 3 });
    const calls = Array.from({ length: 5 }, () => new ProbeCall('slow 30'));
    await Promise.all(calls.map((call) => run(bounded, call)));
    expect(calls.map((call) => call.failure?.reason ?? 'ok')).toEqual(['ok', 'ok', 'ok', 'overloaded', 'overloaded']);
    expect((await run(bounded, new ProbeCall('hello'))).text).toBe('hello');
    await bounded.close(0);
  });

  it('fails a call whose body cannot be written', async () => {
    const call = new ProbeCall('hello');
    call.write = () => {
      throw new Error('no such column');
    };
    await run(upstream, call);
    expect(call.failure).toMatchObject({ reason: 'exception', message: expect.stringContaining('no such column') });
  });

  it('survives a callback that throws', async () => {
    const warned = new Promise<string>((resolve) => process.once('warning', (warning) => resolve(warning.message)));
    const call = new ProbeCall('hello');
    call.succeeded = () => {
      throw new Error('owner broke');
    };
    upstream.start(call);
    expect(await warned).toContain('owner broke');
    expect((await run(upstream, new ProbeCall('hello'))).text).toBe('hello');
  });

  it('starts the next call from inside a callback', async () => {
    const second = new ProbeCall('second');
    const first = new ProbeCall('first');
    const done = new Promise<void>((resolve) => {
      second.onEnd = resolve;
    });
    first.onEnd = () => upstream.start(second);
    upstream.start(first);
    await done;
    expect(second.text).toBe('second');
  });

  it('lets calls end while closing, then fails the rest and refuses new ones', async () => {
    const closing = await subject.create();
    const quick = run(closing, new ProbeCall('slow 30'));
    const stuck = run(closing, new ProbeCall('never'));
    await sleep(10);
    const closed = closing.close(100);
    const late = await run(closing, new ProbeCall('hello'));
    expect(late.failure).toMatchObject({ reason: 'unavailable', code: 14 });
    expect((await quick).text).toBe('slow 30');
    expect((await stuck).failure).toMatchObject({ reason: 'unavailable', code: 14 });
    await closed;
    expect(closing.inFlight).toBe(0);
  });

  it('tells everybody who closes it that it is closed, after the shortest time that was given', async () => {
    const idle = await subject.create();
    await run(idle, new ProbeCall('hello'));
    await Promise.all([idle.close(0), idle.close(0)]);
    const busy = await subject.create();
    const stuck = run(busy, new ProbeCall('never'));
    await sleep(10);
    const began = performance.now();
    await Promise.all([busy.close(60_000), busy.close(50), busy.close(40_000)]);
    expect(performance.now() - began).toBeGreaterThanOrEqual(49);
    expect((await stuck).failure).toMatchObject({ reason: 'unavailable', code: 14 });
    await busy.close(1000);
  });
});
