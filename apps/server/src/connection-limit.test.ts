import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { connectionLimit } from './connection-limit.js';
import { startStockServer } from './testing/stock-server.js';
import { sumModel } from './testing/sum-model.js';

const limits = (soft: string) => () =>
  `Limit                     Soft Limit           Hard Limit           Units\nMax processes             7                    8                    processes\nMax open files            ${soft.padEnd(21)}1048576              files\n`;

describe('connectionLimit', () => {
  it.each([
    ['1048576', 20_000, 1, 20_000],
    ['unlimited', 20_000, 1, 20_000],
    ['8000', 20_000, 1, 7000],
    ['8000', 20_000, 2, 3500],
    ['8000', 100, 2, 100],
    ['256', 20_000, 1, 192],
    ['50', 20_000, 2, 1],
  ])('with %s open files and %i wanted on each of %i ports is %i', (soft, wanted, ports, expected) => {
    expect(connectionLimit(wanted, ports, limits(soft))).toBe(expected);
  });

  it('is what is wanted where the system does not tell', () => {
    expect(connectionLimit(20_000, 1, () => '')).toBe(20_000);
  });
});

describe.runIf(existsSync('/proc/self/limits'))('the server', () => {
  it('takes no more connections than it may have files open, and says so', async () => {
    const openFiles = Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }));
    const wanted = String(Math.min(openFiles, 1_000_000));
    const warned = async (environment: Readonly<Record<string, string>>) => {
      const stock = await startStockServer({ sum: sumModel() }, environment);
      await stock.close();
      return stock.lines().filter(({ msg }) => /files/.test(String(msg)));
    };
    expect(await warned({ INFERFLOW_MAX_CONNECTIONS: '10' })).toEqual([]);
    const lines = await warned({ INFERFLOW_MAX_CONNECTIONS: wanted, INFERFLOW_LEAN_LISTENER: '1', INFERFLOW_FULL_PORT: '0' });
    expect(lines).toMatchObject([{ level: 'warn', maxConnections: connectionLimit(Number(wanted), 2), wanted: Number(wanted) }]);
  });
});
