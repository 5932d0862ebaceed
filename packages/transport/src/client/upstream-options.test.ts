import { describe, expect, it } from 'vitest';
import { resolveUpstreamOptions } from './upstream-options.js';

const options = { name: 'store', host: 'store.test', port: 80 };

describe('resolveUpstreamOptions', () => {
  it('keeps the age of connections within what a timer takes: a longer one would be over at once', () => {
    for (const ms of [30 * 24 * 3600 * 1000, Number.POSITIVE_INFINITY]) {
      const { maxConnectionAgeMs } = resolveUpstreamOptions({ ...options, maxConnectionAgeMs: ms });
      expect(maxConnectionAgeMs * 1.2).toBeLessThan(2 ** 31);
      expect(maxConnectionAgeMs).toBeGreaterThan(19 * 24 * 3600 * 1000);
    }
    expect(resolveUpstreamOptions({ ...options, maxConnectionAgeMs: 0 }).maxConnectionAgeMs).toBe(0);
  });
});
