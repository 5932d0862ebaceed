import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const soak = join(root, 'scripts/soak.mjs');
const folder = join(root, 'tests/soak');
const suites = readdirSync(folder).flatMap((file) => (file.endsWith('.mjs') ? [file.slice(0, -4)] : []));
const directory = mkdtempSync(join(tmpdir(), 'inferflow-soak-test-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('soak', () => {
  it.each([
    ['--minutes takes a number', ['overload', '--minutes', 'abc']],
    ['--minutes takes a number', ['overload', '--minutes', '0']],
    ['--minutes takes a number', ['overload', '--minutes=-3']],
    ['--minutes takes a number', ['overload', '--minutes', 'Infinity']],
    ['there is no suite "nope"', ['nope']],
    ['name the suites', []],
  ])('says what is wrong: %s', (message, args) => {
    const { status, stderr } = spawnSync(process.execPath, [soak, ...args], { encoding: 'utf8', timeout: 20_000 });
    expect(stderr).toMatch(new RegExp(`^soak: ${message}.*\nusage: `));
    expect(status).toBe(2);
  });

  it('has a line for every suite in its read-me', () => {
    const rows = [...readFileSync(join(folder, 'README.md'), 'utf8').matchAll(/^\| `([\w-]+)` \|/gm)].map(([, name]) => name);
    expect(rows.toSorted()).toEqual(suites.toSorted());
  });

  // Runs what is built.
  it.runIf(existsSync(join(root, 'apps/server/dist/main.js'))).each(['SIGINT', 'SIGTERM'] as const)(
    'leaves no temporary file behind when it is ended by %s',
    async (signal) => {
      const env = { ...process.env, TMPDIR: directory };
      const child: ChildProcess = spawn(process.execPath, [soak, 'shutdown', '--short'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
      await expect.poll(() => readdirSync(directory, { recursive: true }).length, { timeout: 20_000 }).toBeGreaterThan(1);
      child.kill(signal);
      const [code] = await once(child, 'exit');
      expect(code).toBe(130);
      expect(readdirSync(directory)).toEqual([]);
    },
  );
});
