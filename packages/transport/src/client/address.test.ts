import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFailure } from '../failure.js';
import { GrpcCode } from '../grpc-code.js';
import { Address, type AddressOwner } from './address.js';
import type { Connection } from './connection.js';
import { resolveUpstreamOptions } from './upstream-options.js';

const hourMs = 3_600_000;
const lost = createFailure('unavailable', GrpcCode.UNAVAILABLE, 'lost');

/** An address with one connection that is up. */
function connectedAddress(maxConnectionAgeMs: number): { address: Address; connection: Connection; drains: () => number } {
  let drains = 0;
  const connection: Connection = {
    isReady: true,
    openStreams: 0,
    maxStreams: 100,
    start: () => true,
    cancel() {},
    drain() {
      drains++;
    },
    destroy() {},
  };
  const owner: AddressOwner = {
    options: resolveUpstreamOptions({ name: 'store', host: 'store.test', port: 1, maxConnectionAgeMs }),
    connectionFactory: () => connection,
    hasWaiting: false,
    hasSeveralAddresses: false,
    isUsed: () => false,
    roomAppeared() {},
    hopeFaded() {},
    addressSuspect() {},
    callSucceeded() {},
    callFailed() {},
  };
  const address = new Address('127.0.0.1', owner);
  address.wake();
  address.connectionReady(connection);
  return { address, connection, drains: () => drains };
}

describe('Address', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('leaves a connection once at its age, and never when there is none', () => {
    const { drains } = connectedAddress(hourMs);
    vi.advanceTimersByTime(hourMs * 0.79);
    expect(drains()).toBe(0);
    vi.advanceTimersByTime(hourMs * 0.42);
    expect(drains()).toBe(1);
    const ageless = connectedAddress(0);
    vi.advanceTimersByTime(1000 * hourMs);
    expect(ageless.drains()).toBe(0);
  });

  it('does not leave a connection at once when its age is longer than a timer takes', () => {
    const { drains } = connectedAddress(Number.POSITIVE_INFINITY);
    vi.advanceTimersByTime(15 * 24 * hourMs);
    expect(drains()).toBe(0);
    vi.advanceTimersByTime(10 * 24 * hourMs);
    expect(drains()).toBe(1);
  });

  it('keeps nothing of a connection that was lost before its age', () => {
    for (const isRetired of [false, true]) {
      const { address, connection } = connectedAddress(hourMs);
      expect(vi.getTimerCount()).toBe(1);
      if (isRetired) address.retire();
      address.connectionClosed(connection, lost, true);
      expect(vi.getTimerCount()).toBe(0);
    }
  });
});
