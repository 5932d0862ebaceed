import { describe, expect, it } from 'vitest';
import { TransportError } from '../errors.js';
import { resolveOnePortOptions } from './resolve-one-port-options.js';

const options = { hot: [], listener: () => {}, maxInFlight: 10 };

describe('resolveOnePortOptions', () => {
  it('keeps ages and idle times within what a timer takes: a longer one would be over at once', () => {
    for (const ms of [30 * 24 * 3600 * 1000, Number.POSITIVE_INFINITY]) {
      const { maxConnectionAgeMs, idleTimeoutMs } = resolveOnePortOptions({ ...options, maxConnectionAgeMs: ms, idleTimeoutMs: ms });
      for (const resolved of [maxConnectionAgeMs * 1.1, idleTimeoutMs]) {
        expect(resolved).toBeLessThan(2 ** 31);
        expect(resolved).toBeGreaterThan(20 * 24 * 3600 * 1000);
      }
    }
    expect(resolveOnePortOptions({ ...options, maxConnectionAgeMs: 0, idleTimeoutMs: 0 })).toMatchObject({
      maxConnectionAgeMs: 0,
      idleTimeoutMs: 0,
    });
  });

  it('tells all that is wrong at once', () => {
    let told: unknown;
    try {
      resolveOnePortOptions({ ...options, maxInFlight: 0, idleTimeoutMs: -1 });
    } catch (error) {
      told = error;
    }
    expect(told).toBeInstanceOf(TransportError);
    expect((told as TransportError).message).toMatch(/maxInFlight is 0.*idleTimeoutMs is -1/);
  });
});
