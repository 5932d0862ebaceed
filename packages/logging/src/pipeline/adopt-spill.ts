import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { cursorPath, readCursor, segmentNumbers, segmentPath } from './spill-files.js';

/**
 * Moves records that a process has spilled in `from` behind those in `to`, where the next {@link SpillDirectory} delivers them. No process
 * may use either meanwhile. Returns how many bytes came along. Throws what the file system throws; what is left can be moved by the next call.
 */
export function adoptSpill(from: string, to: string): number {
  if (!existsSync(from)) return 0;
  let bytes = 0;
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isDirectory() && entry.name.startsWith('topic-')) bytes += adoptTopic(join(from, entry.name), join(to, entry.name));
  }
  removeEmpty(from);
  return bytes;
}

function adoptTopic(from: string, to: string): number {
  mkdirSync(to, { recursive: true });
  const cursor = readCursor(from);
  // Never the number that a cursor there names: it would skip records of another file.
  let number = Math.max(segmentNumbers(to).at(-1) ?? 0, readCursor(to)?.number ?? 0);
  let bytes = 0;
  for (const found of segmentNumbers(from)) {
    const path = segmentPath(from, found);
    const delivered = cursor?.number === found ? cursor.offset : 0;
    bytes += Math.max(0, statSync(path).size - delivered);
    moveFrom(path, delivered, segmentPath(to, ++number));
  }
  rmSync(cursorPath(from), { force: true });
  removeEmpty(from);
  return bytes;
}

/** Moves a file without what is in front of `offset`. */
function moveFrom(path: string, offset: number, target: string): void {
  if (offset === 0) return renameSync(path, target);
  writeFileSync(`${target}.part`, readFileSync(path).subarray(offset));
  renameSync(`${target}.part`, target);
  unlinkSync(path);
}

function removeEmpty(directory: string): void {
  if (readdirSync(directory).length === 0) rmdirSync(directory);
}
