import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Where a container's share of CPU time is written, by version of control groups. */
const V2_LIMIT = '/sys/fs/cgroup/cpu.max';
const V1_QUOTA = '/sys/fs/cgroup/cpu/cpu.cfs_quota_us';
const V1_PERIOD = '/sys/fs/cgroup/cpu/cpu.cfs_period_us';

/**
 * Cores that this process may keep busy: those it may run on, or fewer where a container has a smaller share of CPU time, rounded up.
 * Node 20 leaves that share out of its own count.
 * @param read the text of a file; throws when there is none
 */
export function usableCores(cores: number = availableParallelism(), read: (path: string) => string = readText): number {
  const share = v2Share(read) ?? v1Share(read);
  return share === null ? cores : Math.max(1, Math.min(cores, Math.ceil(share)));
}

function v2Share(read: (path: string) => string): number | null {
  const [quota, period] = numbersIn(V2_LIMIT, read);
  return shareOf(quota, period);
}

function v1Share(read: (path: string) => string): number | null {
  return shareOf(numbersIn(V1_QUOTA, read)[0], numbersIn(V1_PERIOD, read)[0]);
}

/** No limit is `max`, or -1. */
function shareOf(quota: number | undefined, period: number | undefined): number | null {
  return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? quota / period : null;
}

function numbersIn(path: string, read: (path: string) => string): readonly number[] {
  try {
    return read(path).trim().split(/\s+/).map(Number);
  } catch {
    return [];
  }
}

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}
