import { describe, expect, it } from 'vitest';
import { GrpcCode } from '../grpc-code.js';
import { refusalOf } from './admission.js';
import type { HotCallHost } from './hot-call.js';
import { RecentRefusal } from './recent-refusal.js';
import { resolveOnePortOptions } from './resolve-one-port-options.js';
import { retryLater } from './retry-later.js';
import type { HotMethod } from './server-call.js';

const status = retryLater(GrpcCode.RESOURCE_EXHAUSTED, 'too late', 40);

describe('RecentRefusal', () => {
  it('tells the next call the same for a moment, if it has no more time', () => {
    const recent = new RecentRefusal();
    expect(recent.of(100, 1000)).toBeNull();
    recent.note(status, 100, 1000);
    expect(recent.of(100, 1001)).toEqual({ reason: 'too-late', status });
    expect(recent.of(50, 1001)?.status).toBe(status);
    expect(recent.of(150, 1001)).toBeNull();
    expect(recent.of(Number.POSITIVE_INFINITY, 1001)).toBeNull();
    expect(recent.of(100, 1011)).toBeNull();
  });

  it('lets a call through to ask again after 25 ms, however much time calls have', () => {
    const recent = new RecentRefusal();
    recent.note(status, Number.POSITIVE_INFINITY, 1000);
    expect(recent.of(Number.POSITIVE_INFINITY, 1024)?.status).toBe(status);
    expect(recent.of(Number.POSITIVE_INFINITY, 1025)).toBeNull();
  });
});

describe('refusalOf', () => {
  it('repeats what a call of the connection was told only while the process is what everything waits for', () => {
    const options = resolveOnePortOptions({ hot: [], listener: () => {}, maxInFlight: 10 });
    let isSaturated = false;
    const load = { hotInFlight: 0, heldBytes: 0, lagMs: () => 0, isSaturated: () => isSaturated };
    const host = { options, load } as unknown as HotCallHost;
    let sharesRefusals = true;
    const method: HotMethod = { path: '/a.B/C', maxMessageBytes: 100, handle: () => {}, sharesRefusals: () => sharesRefusals };
    const recent = new RecentRefusal();
    const ask = () => refusalOf(host, method, { timeoutMs: 100, contentLength: 0, headers: () => ({}), recent }, 1001);
    recent.note(status, 100, 1000);
    expect(ask()).toBeNull();
    isSaturated = true;
    expect(ask()).toEqual({ reason: 'too-late', status });
    expect(refusalOf(host, method, { timeoutMs: 100, contentLength: 0, headers: () => ({}), recent: null }, 1001)).toBeNull();
    sharesRefusals = false;
    expect(ask()).toBeNull();
  });

  it('tells a call that would wait longer than it can to come again later, unless it could never be in time', () => {
    const options = resolveOnePortOptions({ hot: [], listener: () => {}, maxInFlight: 10 });
    const load = { hotInFlight: 0, heldBytes: 0, lagMs: () => 40, isSaturated: () => false };
    const host = { options, load } as unknown as HotCallHost;
    const method: HotMethod = { path: '/a.B/C', maxMessageBytes: 100, handle: () => {} };
    const ask = (timeoutMs: number) => refusalOf(host, method, { timeoutMs, contentLength: 0, headers: () => ({}), recent: null }, 1);
    expect(ask(41)).toBeNull();
    expect(ask(40)).toMatchObject({ reason: 'deadline', status: { code: 8, retryAfterMs: 100 } });
    expect(ask(3)).toMatchObject({ reason: 'deadline', status: { code: 8 } });
    expect(ask(2)).toMatchObject({ reason: 'deadline', status: { code: 4 } });
    expect(ask(0)).toMatchObject({ reason: 'deadline', status: { code: 4 } });
  });

  it('tells the method of a call that it refuses because the server holds as much as it may', () => {
    const options = resolveOnePortOptions({ hot: [], listener: () => {}, maxInFlight: 10 });
    const load = { hotInFlight: 10, heldBytes: 0, lagMs: () => 0, isSaturated: () => false };
    const host = { options, load } as unknown as HotCallHost;
    const told: number[] = [];
    const method: HotMethod = { path: '/a.B/C', maxMessageBytes: 100, handle: () => {}, refusedForRoom: (now) => told.push(now) };
    const ask = (now: number) =>
      refusalOf(host, method, { timeoutMs: 100, contentLength: 0, headers: () => ({}), recent: null }, now)?.reason;
    expect(ask(1)).toBe('in-flight');
    load.hotInFlight = 9;
    expect(ask(2)).toBeUndefined();
    load.heldBytes = options.maxHeldBytes;
    expect(ask(3)).toBe('held-bytes');
    expect(told).toEqual([1, 3]);
  });
});
