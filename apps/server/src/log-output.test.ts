import { spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LogOutput } from './log-output.js';
import { createLogger } from './logger.js';

const watch = vi.hoisted(() => ({ onBusy: () => {}, room: Number.POSITIVE_INFINITY, failed: 0 }));
// The real one, which also tells when a reader was behind, on a disk that has so much room.
vi.mock(import('node:fs'), async (importOriginal) => {
  const original = await importOriginal();
  const write = (fd: number, chunk: Buffer, done: (error: NodeJS.ErrnoException | null, count: number) => void) => {
    if (watch.room === 0) {
      watch.failed++;
      return setImmediate(done, Object.assign(new Error('full'), { code: 'ENOSPC' }), 0);
    }
    const fitting = chunk.subarray(0, watch.room);
    watch.room -= fitting.length;
    return original.write(fd, fitting, (error, count) => {
      done(error, count);
      if (error?.code === 'EAGAIN') watch.onBusy();
    });
  };
  return { ...original, write: write as typeof original.write };
});

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'log-output-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('LogOutput', () => {
  it('writes every line once and in order, later ones before an exit too', async () => {
    const file = join(directory, 'lines');
    const output = new LogOutput(openSync(file, 'w'), 'test');
    for (let line = 0; line < 500; line++) {
      output.write(`line ${line} ü\n`);
      if (line % 100 === 0) await sleep(2);
    }
    await sleep(20);
    output.write('last but one\n');
    output.write('last\n');
    output.flushSync();
    const lines = readFileSync(file, 'utf8').split('\n');
    expect(lines.slice(0, 500)).toEqual(Array.from({ length: 500 }, (_, line) => `line ${line} ü`));
    expect(lines.slice(500)).toEqual(['last but one', 'last', '']);
  });

  it('tells who asks that a line was written, whole between others, or that it is lost', async () => {
    const file = join(directory, 'told');
    const output = new LogOutput(openSync(file, 'w'), 'test', 5);
    const told: string[] = [];
    const done = (name: string) => (error: Error | null) => told.push(`${name}: ${error === null ? 'written' : error.message}`);
    output.write('a\n');
    output.write(`${'x'.repeat(100_000)}\n`, done('long'));
    output.write('b\n', done('b'));
    await expect.poll(() => told).toEqual(['long: written', 'b: written']);
    expect(
      readFileSync(file, 'utf8')
        .split('\n')
        .map(({ length }) => length),
    ).toEqual([1, 100_000, 1, 0]);
    watch.room = 0;
    output.write('c\n', done('c'));
    await expect.poll(() => told.at(-1)).toBe('c: full');
    output.write('y'.repeat(17 * 1024 * 1024), done('huge'));
    expect(told.at(-1)).toBe('huge: too much waits for the reader of standard output');
    watch.room = Number.POSITIVE_INFINITY;
    output.write('d\n', done('d'));
    await expect.poll(() => told.at(-1)).toBe('d: written');
    output.write('e\n', done('e'));
    output.flushSync();
    expect(told.at(-1)).toBe('e: written');
  });

  it('writes at an exit first what a reader that was behind has not taken yet', async () => {
    const file = join(directory, 'taken');
    const reader = spawn('cat', { stdio: ['pipe', openSync(file, 'w'), 'ignore'] });
    const output = new LogOutput((reader.stdin as unknown as { readonly _handle: { readonly fd: number } })._handle.fd, 'test');
    reader.kill('SIGSTOP');
    const long = `${'long '.repeat(400_000)}\n`;
    const busy = new Promise<void>((resolve) => {
      watch.onBusy = resolve;
    });
    output.write(long);
    await busy;
    output.write('last\n');
    reader.kill('SIGCONT');
    output.flushSync();
    const closed = new Promise((resolve) => reader.once('exit', resolve));
    reader.stdin?.end();
    await closed;
    const taken = readFileSync(file, 'utf8');
    expect(taken).toHaveLength(long.length + 5);
    expect(taken.endsWith(' \nlast\n')).toBe(true);
  });

  it('goes on after a line that had to be out at once, whose reader was behind', async () => {
    const file = join(directory, 'fatal');
    const reader = spawn('cat', { stdio: ['pipe', openSync(file, 'w'), 'ignore'] });
    const output = new LogOutput((reader.stdin as unknown as { readonly _handle: { readonly fd: number } })._handle.fd, 'test');
    reader.kill('SIGSTOP');
    const told: string[] = [];
    const busy = new Promise<void>((resolve) => {
      watch.onBusy = resolve;
    });
    output.write(`${'long '.repeat(400_000)}\n`, () => told.push('long'));
    await busy;
    output.write('fatal\n', () => told.push('fatal'));
    output.flushSync();
    reader.kill('SIGCONT');
    output.write('later\n', () => told.push('later'));
    await expect.poll(() => told, { timeout: 5000 }).toEqual(['long', 'fatal', 'later']);
    const closed = new Promise((resolve) => reader.once('exit', resolve));
    reader.stdin?.end();
    await closed;
    expect(
      readFileSync(file, 'utf8')
        .split('\n')
        .map(({ length }) => length),
    ).toEqual([2_000_000, 5, 5, 0]);
  });

  it('goes on when a disk that was full has room again, and says how many lines were lost', async () => {
    const file = join(directory, 'disk');
    const output = new LogOutput(openSync(file, 'w'), 'shop', 5);
    const lines = () => readFileSync(file, 'utf8').split('\n');
    output.write('first\n');
    await expect.poll(lines).toEqual(['first', '']);
    // The first time half a line gets through.
    for (const { room, later } of [
      { room: 3, later: 'later' },
      { room: 0, later: 'last' },
    ]) {
      watch.room = room;
      watch.failed = 0;
      output.write('second\n');
      output.write('third\n');
      await expect.poll(() => watch.failed).toBeGreaterThan(2);
      watch.room = Number.POSITIVE_INFINITY;
      output.write(`${later}\n`);
      await expect.poll(() => lines().at(-2)).toBe(later);
    }
    const told = lines().filter((line) => line.startsWith('{'));
    expect(told.map((line) => JSON.parse(line))).toMatchObject([
      { level: 'error', service: 'shop', lostLines: 2, msg: 'log lines could not be written and are lost' },
      { lostLines: 2 },
    ]);
    expect(lines()).toEqual(['first', 'sec', told[0], 'later', told[1], 'last', '']);
  });

  it('holds up nothing when its reader is gone, first noticed or not at the exit', async () => {
    for (const isNoticedAtExit of [true, false]) {
      const reader = spawn('sleep', ['60'], { stdio: ['pipe', 'ignore', 'ignore'] });
      // The writing end of a pipe whose reader ends: what `… | head` does.
      const fd = (reader.stdin as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
      const output = new LogOutput(fd, 'test');
      const logger = createLogger('INFO', 'test', output);
      logger.info({}, 'read by nobody');
      await sleep(20);
      const closed = new Promise((resolve) => reader.once('exit', resolve));
      reader.stdin.on('error', () => {});
      reader.kill('SIGKILL');
      await closed;
      logger.info({}, 'into the void');
      if (!isNoticedAtExit) await sleep(20);
      const from = performance.now();
      output.flushSync();
      expect(performance.now() - from).toBeLessThan(500);
      logger.info({}, 'still alive');
      reader.stdin.destroy();
    }
  });
});
