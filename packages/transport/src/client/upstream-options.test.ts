import { describe, expect, it } from 'vitest';
import type { TransportError } from '../errors.js';
import { thrownBy } from '../testing/thrown-by.js';
import { resolveUpstreamOptions, type UpstreamOptions } from './upstream-options.js';

const options = { name: 'store', host: 'store.test', port: 80 };
const times = [
  'dnsRefreshMs',
  'connectTimeoutMs',
  'maxConnectionAgeMs',
  'backoffMs',
  'maxBackoffMs',
  'setAsideMs',
  'keepaliveMs',
  'keepaliveTimeoutMs',
] as const satisfies readonly (keyof UpstreamOptions)[];

/** What a program without types may pass. */
function refusalOf(given?: unknown): TransportError {
  return thrownBy(() => resolveUpstreamOptions(given as UpstreamOptions));
}

describe('resolveUpstreamOptions', () => {
  it.each(times)('keeps %s within what a timer takes: a longer one would be over at once', (name) => {
    for (const ms of [30 * 24 * 3600 * 1000, 2 ** 31, Number.POSITIVE_INFINITY]) {
      const resolved = resolveUpstreamOptions({ ...options, [name]: ms })[name];
      expect(resolved * 1.2).toBeLessThan(2 ** 31);
      expect(resolved).toBeGreaterThan(19 * 24 * 3600 * 1000);
    }
  });

  it('leaves ages and other times below that as they are', () => {
    expect(resolveUpstreamOptions({ ...options, maxConnectionAgeMs: 0, keepaliveMs: 86_400_000 })).toMatchObject({
      maxConnectionAgeMs: 0,
      keepaliveMs: 86_400_000,
    });
    const { backoffMs, maxBackoffMs } = resolveUpstreamOptions({ ...options, backoffMs: Number.POSITIVE_INFINITY });
    expect(maxBackoffMs).toBe(backoffMs);
  });

  it.each([...times, 'maxInFlight', 'maxQueuedBytes', 'maxInLine', 'maxConnectionsPerAddress', 'setAsideAfter', 'retryRatio'] as const)(
    'refuses a %s that is no number, is NaN or is negative',
    (name) => {
      for (const [value, shown] of [
        [Number.NaN, 'NaN'],
        ['5000', '"5000"'],
        [-1, '-1'],
      ] as const) {
        const { code, message } = refusalOf({ ...options, [name]: value });
        expect(code).toBe('INFERFLOW_TRANSPORT_OPTIONS_INVALID');
        expect(message).toMatch(new RegExp(`^upstream "store": ${name} is ${shown}, expected a number, at least \\d+$`));
      }
    },
  );

  it.each([
    [undefined, 'upstream: options is undefined, expected an object with name, host and port'],
    [null, 'upstream: options is null, expected an object with name, host and port'],
    ['localhost:80', 'upstream: options is "localhost:80", expected an object with name, host and port'],
    [{ host: 'a', port: 1 }, 'upstream: name is undefined, expected a text for failures and logs'],
    [{ name: 'x', port: 1 }, 'upstream "x": host is undefined, expected a host name or an IP address'],
    [{ ...options, port: '80' }, 'upstream "store": port is "80", expected an integer from 1 to 65535'],
    [{ ...options, protocol: 'leann' }, 'upstream "store": protocol is "leann", expected "lean" or "node"'],
    [{ ...options, tls: true }, 'upstream "store": tls is true, expected TLS settings, or null for plaintext'],
    [{ ...options, tls: { servername: 123 } }, 'upstream "store": tls.servername is 123, expected a host name'],
    [{ ...options, lookup: {} }, 'upstream "store": lookup is an object, expected a function'],
    [{ ...options, onEvent: [] }, 'upstream "store": onEvent is a list, expected a function'],
    [
      {},
      'upstream: name is undefined, expected a text for failures and logs; host is undefined, expected a host name or an IP address; port is undefined, expected an integer from 1 to 65535',
    ],
  ])('refuses %j', (given, message) => {
    expect(refusalOf(given)).toMatchObject({ code: 'INFERFLOW_TRANSPORT_OPTIONS_INVALID', message });
  });

  it('does not show a long text: it may be a key in the wrong place', () => {
    const key = `-----BEGIN PRIVATE KEY-----${'x'.repeat(100)}`;
    expect(refusalOf({ ...options, tls: key }).message).toBe(
      'upstream "store": tls is a text of 127 characters, expected TLS settings, or null for plaintext',
    );
  });

  it('refuses a client certificate that is none, before a connection needs it', () => {
    const { code, message } = refusalOf({ ...options, tls: { cert: 'nonsense', key: 'nonsense' } });
    expect(code).toBe('INFERFLOW_TRANSPORT_OPTIONS_INVALID');
    expect(message).toMatch(/^upstream "store": tls has a certificate or key that cannot be used: /);
  });
});
