import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { ServerStartError } from './errors.js';

/** Decides whether a caller may call. Reads headers by their lower-case name. */
export interface CallerCheck {
  allows(header: (name: string) => string | undefined): boolean;
}

const recheckMs = 1000;

/**
 * Callers from a file with one `caller-id sha256-hex-of-token` a line (`#` starts a comment). The file is looked at again at most once
 * a second; while it cannot be read or parsed the last good version stays in force, and each problem is reported when it comes up.
 * @throws ServerStartError when the first version is not usable.
 */
export function createFileCallerCheck(path: string, report: (problem: string) => void, now: () => number = Date.now): CallerCheck {
  let signature = fileSignature(path);
  let callers = readCallers(path);
  let checkedAt = now();
  let reported = '';
  function refresh(): void {
    if (now() - checkedAt < recheckMs) return;
    checkedAt = now();
    try {
      const current = fileSignature(path);
      if (current !== signature) callers = readCallers(path);
      // Only now: a version that could not be read, say for lack of file descriptors, is tried again, as it may revoke a token.
      signature = current;
      reported = '';
    } catch (error) {
      const problem = (error as Error).message;
      if (problem !== reported) report(`the callers of INFERFLOW_AUTH_FILE stay as they were: ${problem}`);
      reported = problem;
    }
  }
  return {
    allows(header) {
      refresh();
      const token = header('inferflow-auth-token');
      const expected = callers.get(header('inferflow-caller-id') ?? '');
      if (token === undefined || expected === undefined) return false;
      return timingSafeEqual(createHash('sha256').update(token).digest(), expected);
    },
  };
}

function fileSignature(path: string): string {
  const { mtimeMs, size, ino } = reading(() => statSync(path));
  return `${mtimeMs}:${size}:${ino}`;
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ServerStartError('AUTH_FILE_INVALID', [`INFERFLOW_AUTH_FILE: the file cannot be read (${code})`], { cause: error });
  }
}

function readCallers(path: string): ReadonlyMap<string, Buffer> {
  const callers = new Map<string, Buffer>();
  const problems: string[] = [];
  reading(() => readFileSync(path, 'utf8'))
    .split('\n')
    .forEach((line, index) => {
      const text = line.replace(/#.*/, '').trim();
      if (text === '') return;
      const match = /^(\S+)\s+([0-9a-fA-F]{64})$/.exec(text);
      if (match === null) problems.push(`INFERFLOW_AUTH_FILE line ${index + 1}: expected "<caller id> <sha256 of the token in hex>"`);
      else callers.set(match[1]!, Buffer.from(match[2]!, 'hex'));
    });
  if (problems.length > 0) throw new ServerStartError('AUTH_FILE_INVALID', problems);
  return callers;
}
