import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const main = join(import.meta.dirname, '../apps/cli/dist/main.js');

// Runs what is built.
describe.runIf(existsSync(main))('the inferflow command', () => {
  it.each([
    [['infer', '--bogus']],
    [['lint']],
    [['infer', '--deadline-ms', 'x']],
    [['history', 'm', '--show', 'newest']],
    [['rollback', 'm', '--to', '-1']],
    [['replay', 'log', '--config', 'models', '--min-overlap', '95']],
    [['nope']],
    [['constructor']],
  ])('%j is a mistake in the flags: status 2', (args) => {
    const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', timeout: 30_000 });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: .*\n\(--help lists the flags\)/);
  });

  it('ends serve at once by a signal while it loads', () => {
    // The signal comes when the command is asked for, which then never comes.
    const hook = `export const resolve = async (name, context, next) => {
      if (!name.endsWith('/serve-command.js')) return next(name, context);
      process.kill(process.pid, 'SIGTERM');
      return new Promise(() => {});
    };`;
    const data = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;
    const preload = data(`import { register } from 'node:module'; register(${JSON.stringify(data(hook))}); setInterval(() => {}, 1000);`);
    const found = spawnSync(process.execPath, ['--import', preload, main, 'serve'], { encoding: 'utf8', timeout: 30_000 });
    expect(found).toMatchObject({ status: 0, signal: null, stdout: '' });
  });

  it('ends what it has begun when nobody reads its output any more', () => {
    const models = join(import.meta.dirname, '../examples/movies');
    // The reader is gone before the first line, so every write fails.
    const command = `{ sleep 0.3; "$0" "$1" lint "$2" --format json; echo "status $?" >&2; } | true`;
    const { stderr } = spawnSync('bash', ['-c', command, process.execPath, main, models], { encoding: 'utf8', timeout: 30_000 });
    expect(stderr).not.toContain('EPIPE');
    expect(stderr).toContain('status 0');
  });

  it.runIf(existsSync('/dev/full'))('says without a trace that its output cannot be written', () => {
    const full = openSync('/dev/full', 'w');
    try {
      const { status, stderr } = spawnSync(process.execPath, [main, 'env'], { stdio: ['ignore', full, 'pipe'], encoding: 'utf8' });
      expect(stderr).toMatch(/^inferflow: standard output cannot be written: ENOSPC.*\n$/);
      expect(status).toBe(1);
    } finally {
      closeSync(full);
    }
  });
});
