import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Numbers of the files with records in a directory, in order; none without the directory. */
export function segmentNumbers(directory: string): number[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .map((name) => /^(\d{10})\.spill$/.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

/** Where one of them is. */
export function segmentPath(directory: string, number: number): string {
  return join(directory, `${String(number).padStart(10, '0')}.spill`);
}

/** The file that says up to where the oldest one has been delivered. */
export function cursorPath(directory: string): string {
  return join(directory, 'cursor');
}

/** What it says; null when there is none. */
export function readCursor(directory: string): { readonly number: number; readonly offset: number } | null {
  try {
    const [number, offset] = readFileSync(cursorPath(directory), 'utf8').trim().split(' ').map(Number);
    return number === undefined || offset === undefined ? null : { number, offset };
  } catch {
    return null;
  }
}
