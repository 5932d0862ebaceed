import { describe, expect, it } from 'vitest';
import { thrownBy } from '../testing/thrown-by.js';
import type { OnePortOptions } from './one-port-options.js';
import { resolveOnePortOptions } from './resolve-one-port-options.js';

const times = ['maxConnectionAgeMs', 'idleTimeoutMs', 'handshakeTimeoutMs', 'receiveTimeoutMs', 'sendTimeoutMs'] as const;
const options = { hot: [], listener: () => {}, maxInFlight: 10 };

describe('resolveOnePortOptions', () => {
  it('keeps ages and idle times within what a timer takes: a longer one would be over at once', () => {
    for (const ms of [30 * 24 * 3600 * 1000, Number.POSITIVE_INFINITY]) {
      for (const name of times) {
        const resolved = resolveOnePortOptions({ ...options, [name]: ms })[name];
        expect(resolved * 1.1).toBeLessThan(2 ** 31);
        expect(resolved).toBeGreaterThan(20 * 24 * 3600 * 1000);
      }
    }
    expect(resolveOnePortOptions({ ...options, maxConnectionAgeMs: 0, idleTimeoutMs: 0 })).toMatchObject({
      maxConnectionAgeMs: 0,
      idleTimeoutMs: 0,
    });
  });

  it('tells all that is wrong at once', () => {
    const { message } = thrownBy(() => resolveOnePortOptions({ ...options, maxInFlight: 0, idleTimeoutMs: -1 }));
    expect(message).toMatch(/maxInFlight is 0.*idleTimeoutMs is -1/);
  });

  it.each([
    [undefined, 'options is undefined, expected an object with hot, listener and maxInFlight'],
    [{ ...options, hot: undefined }, 'hot is undefined, expected a list of methods'],
    [{ ...options, hot: [null] }, 'hot[0] is null, expected an object with path, maxMessageBytes and handle'],
    [{ ...options, hot: [{ path: 'x', maxMessageBytes: 1, handle() {} }] }, 'path of hot[0] is "x", expected /package.Service/Method'],
    [{ ...options, hot: [{ path: '/a/B', maxMessageBytes: 1, handle: 3 }] }, 'handle of /a/B is 3, expected a function'],
    [{ ...options, maxInFlight: 0 }, 'maxInFlight is 0, expected a number, at least 1'],
    [{ ...options, listener: {} }, 'listener is an object, expected a function'],
    [{ ...options, apart: null }, 'apart is null, expected the beginning of a path'],
    [{ ...options, apart: 5 }, 'apart is 5, expected the beginning of a path'],
    [{ ...options, http2: 'leann' }, 'http2 is "leann", expected "node" or "lean"'],
    [{ ...options, sendTimeoutMs: Number.NaN }, 'sendTimeoutMs is NaN, expected a number, at least 1'],
    [{ ...options, onRefused: true }, 'onRefused is true, expected a function'],
  ])('refuses %j', (given, problem) => {
    expect(thrownBy(() => resolveOnePortOptions(given as unknown as OnePortOptions))).toMatchObject({
      code: 'INFERFLOW_TRANSPORT_OPTIONS_INVALID',
      message: `one-port server: ${problem}`,
    });
  });
});
