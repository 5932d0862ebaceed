import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const main = join(import.meta.dirname, '../apps/cli/dist/main.js');

// Runs what is built.
describe.runIf(existsSync(main))('the inferflow command', () => {
  it.each([[['infer', '--bogus']], [['lint']], [['infer', '--deadline-ms', 'x']], [['nope']]])(
    '%j is a mistake in the flags: status 2',
    (args) => {
      const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', timeout: 30_000 });
      expect(status).toBe(2);
      expect(stderr).toMatch(/^error: .*\n\(--help lists the flags\)/);
    },
  );
});
