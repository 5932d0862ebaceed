import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { createFileCallerCheck } from './auth.js';

const sha = (token: string) => createHash('sha256').update(token).digest('hex');
const headers = (id?: string, token?: string) => (name: string) =>
  name === 'inferflow-caller-id' ? id : name === 'inferflow-auth-token' ? token : undefined;

describe('createFileCallerCheck', () => {
  const directory = mkdtempSync(join(tmpdir(), 'inferflow-auth-'));
  const file = join(directory, 'callers');
  afterEach(() => rmSync(file, { force: true }));
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

  it('refuses to start on a file that is missing or malformed, naming every bad line and no token', () => {
    expect(() => createFileCallerCheck(join(directory, 'none'), () => {})).toThrow(/cannot be read/);
    writeFileSync(file, `good ${sha('x')}\nbad line here\nworse\n`);
    expect(() => createFileCallerCheck(file, () => {})).toThrow(/line 2[\s\S]*line 3/);
  });
});
