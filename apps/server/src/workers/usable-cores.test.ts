import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { usableCores } from './usable-cores.js';

const v2 = '/sys/fs/cgroup/cpu.max';
const v1 = { quota: '/sys/fs/cgroup/cpu/cpu.cfs_quota_us', period: '/sys/fs/cgroup/cpu/cpu.cfs_period_us' };

function reader(files: Readonly<Record<string, string>>): (path: string) => string {
  return (path) => {
    const text = files[path];
    if (text === undefined) throw new Error(`ENOENT ${path}`);
    return text;
  };
}

describe('usableCores', () => {
  it.each([
    ['no control groups', {}, 8],
    ['no limit', { [v2]: 'max 100000\n' }, 8],
    ['two cores', { [v2]: '200000 100000\n' }, 2],
    ['part of a core', { [v2]: '150000 100000\n' }, 2],
    ['less than a core', { [v2]: '10000 100000\n' }, 1],
    ['more than there are', { [v2]: '1600000 100000\n' }, 8],
    ['version 1: three cores', { [v1.quota]: '300000\n', [v1.period]: '100000\n' }, 3],
    ['version 1: no limit', { [v1.quota]: '-1\n', [v1.period]: '100000\n' }, 8],
    ['what nobody understands', { [v2]: '?\n' }, 8],
  ])('with %s', (_, files, expected) => {
    expect(usableCores(8, reader(files))).toBe(expected);
  });

  it('reads this machine', () => {
    const cores = usableCores();
    expect(cores).toBeGreaterThanOrEqual(1);
    expect(cores).toBeLessThanOrEqual(availableParallelism());
  });
});
