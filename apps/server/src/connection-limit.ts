import { readFileSync } from 'node:fs';

/** File descriptors left to upstreams, files and children: an eighth, and no fewer than these. */
const leastReserve = 64;

/**
 * Connections that each of `ports` may take: as many as are `wanted`, or fewer where the process may not have that many files open. Without a
 * file descriptor a connection can be neither served nor refused, and no upstream be called.
 * @param read the limits of this process as Linux writes them, empty where it does not
 */
export function connectionLimit(wanted: number, ports: number, read: () => string = readLimits): number {
  const openFiles = /^Max open files +(\d+)/m.exec(read())?.[1];
  if (openFiles === undefined) return wanted;
  const room = Number(openFiles) - Math.max(leastReserve, Math.ceil(Number(openFiles) / 8));
  return Math.max(1, Math.min(wanted, Math.floor(room / ports)));
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return '';
  }
}
