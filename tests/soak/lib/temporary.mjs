// The directory of a suite's temporary files: TMPDIR of all of its processes.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const prefix = 'inferflow-soak-';

export const makeTemporary = () => mkdtempSync(join(tmpdir(), prefix));

/** Removes it with the small disks that suites mount in it. Another directory is left alone. */
export function removeTemporary(directory) {
  if (directory?.includes(`/${prefix}`) !== true) return;
  try {
    for (const place of mountedIn(directory)) execFileSync('umount', ['-l', place], { stdio: 'ignore' });
    // A process that has been killed may still be writing for a moment.
    rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
  } catch (error) {
    console.error(`soak: ${directory} could not be removed: ${error.message}`);
  }
}

function mountedIn(directory) {
  if (process.platform !== 'linux') return [];
  const places = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  return places.filter((place) => place.startsWith(`${directory}/`)).reverse();
}
