import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { createFileCallerCheck } from './auth.js';

// The real one, unless a test makes it fail: no file can be made that a test that runs as root must not read.
vi.mock(import('node:fs'), async (importOriginal) => {
  const original = await importOriginal();
  return { ...original, readFileSync: vi.fn(original.readFileSync) as unknown as typeof original.readFileSync };
});

const sha = (token: string) => createHash('sha256').update(token).digest('hex');
const headers = (id?: string, token?: string) => (name: string) =>
  name === 'inferflow-caller-id' ? id : name === 'inferflow-auth-token' ? token : undefined;

describe('createFileCallerCheck', () => {
  const directory = mkdtempSync(join(tmpdir(), 'inferflow-auth-'));
  const file = join(directory, 'callers');
  afterEach(() => {
    vi.mocked(readFileSync).mockReset();
    rmSync(file, { force: true });
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('lets in a caller whose token has the listed hash and nobody else', () => {
    writeFileSync(file, `# callers\nranker ${sha('secret')}\n`);
    const check = createFileCallerCheck(file, () => {});
    expect(check.allows(headers('ranker', 'secret'))).toBe(true);
    expect(check.allows(headers('ranker', 'wrong'))).toBe(false);
    expect(check.allows(headers('other', 'secret'))).toBe(false);
    expect(check.allows(headers())).toBe(false);
  });

  it('reads the file again when it changes and keeps the last good version when the new one is broken', () => {
    let now = 0;
    const reports: string[] = [];
    writeFileSync(file, `a ${sha('1')}\n`);
    const check = createFileCallerCheck(
      file,
      (problem) => reports.push(problem),
      () => now,
    );
    writeFileSync(file, `a ${sha('1')}\nbb ${sha('2')}\n`);
    expect(check.allows(headers('bb', '2'))).toBe(false);
    now += 2000;
    expect(check.allows(headers('bb', '2'))).toBe(true);
    writeFileSync(file, 'this is not a line of the format');
    now += 2000;
    expect(check.allows(headers('bb', '2'))).toBe(true);
    expect(reports).toHaveLength(1);
    expect(reports[0]).toContain('line 1');
  });

  it('tries a version that could not be read again until it can, and reports the problem once each time it comes up', () => {
    let now = 0;
    const reports: string[] = [];
    writeFileSync(file, `a ${sha('1')}\nrevoked ${sha('2')}\n`);
    const check = createFileCallerCheck(
      file,
      (problem) => reports.push(problem),
      () => now,
    );
    const allowsRevoked = () => {
      now += 2000;
      return check.allows(headers('revoked', '2'));
    };
    const failNext = () =>
      vi.mocked(readFileSync).mockImplementationOnce(() => {
        throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' });
      });
    writeFileSync(file, `a ${sha('1')}\n`);
    failNext();
    expect(allowsRevoked()).toBe(true);
    failNext();
    expect(allowsRevoked()).toBe(true);
    expect(reports).toEqual([expect.stringContaining('EMFILE')]);
    expect(allowsRevoked()).toBe(false);
    writeFileSync(file, `a ${sha('1')}\nrevoked ${sha('2')}\n`);
    failNext();
    expect(allowsRevoked()).toBe(false);
    expect(reports).toHaveLength(2);
    expect(allowsRevoked()).toBe(true);
  });

  it('refuses to start on what is no file', () => {
    expect(() => createFileCallerCheck(tmpdir(), () => {})).toThrow(/INFERFLOW_AUTH_FILE: the file cannot be read \(EISDIR\)/);
  });

  it('refuses to start on a file that is missing or malformed, naming every bad line and no token', () => {
    expect(() => createFileCallerCheck(join(directory, 'none'), () => {})).toThrow(/cannot be read/);
    writeFileSync(file, `good ${sha('x')}\nbad line here\nworse\n`);
    expect(() => createFileCallerCheck(file, () => {})).toThrow(/line 2[\s\S]*line 3/);
  });
});
