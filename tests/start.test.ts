import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'inferflow-start-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(env: Readonly<Record<string, string>> = {}, args: readonly string[] = ['--once']) {
  const done = spawnSync(process.execPath, ['scripts/start.mjs', ...args], {
    cwd: root,
    encoding: 'utf8',
    timeout: 60_000,
    env: { PATH: process.env['PATH'] ?? '', ...env },
  });
  return { code: done.status, out: done.stdout, error: done.stderr };
}

// Runs what is built, as `npm start` does after its build.
describe.runIf(existsSync(join(root, 'apps/server/dist/index.js')))('npm start -- --once', () => {
  it('prints the ranked films with the columns their scores came from, what to try next, and exits 0', () => {
    const { code, out, error } = start();
    expect([code, error]).toEqual([0, '']);
    const lines = out.split('\n');
    const head = lines.findIndex((line) => line.startsWith('film_id'));
    expect(lines[head]).toMatch(/film:labels:title.*genre:statistics:mean_rating.*rating:rating.*ranker:score.*blend:final_score/);
    const scores = lines.slice(head + 2, head + 22).map((line) => Number(line.trim().split(/\s+/).at(-1)));
    expect(scores.every((score) => score > 0 && score < 1)).toBe(true);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    expect(out).toMatch(/curl -s http:\S+\/Predict\/InferPointWise[\s\S]*buf curl[\s\S]*\/metrics/);
  });

  it('points at the server that serves, not at the one that is gone', () => {
    const { out } = start();
    expect(out).toContain('Run "npm start" and it keeps serving on http://localhost:8085');
    expect(new Set(out.match(/localhost:\d+/g))).toEqual(new Set(['localhost:8085']));
  });

  it('does not ignore what it does not know', () => {
    expect(start({}, ['--port', '9000'])).toMatchObject({ code: 2, out: '', error: expect.stringContaining('APP_PORT=9000 npm start') });
    const unknown = 'INFERFLOW_SHARE_FETCH is not a variable of this server; did you mean INFERFLOW_SHARE_FETCHES?\n';
    expect(start({ INFERFLOW_SHARE_FETCH: '0' })).toMatchObject({ code: 0, error: unknown });
  });

  it('exits non-zero when there is no answer, with the reason', () => {
    const empty = join(folder, 'expressions.json');
    writeFileSync(empty, '{}');
    const { code, error } = start({ INFERFLOW_EXPRESSIONS: empty });
    expect(code).toBe(1);
    expect(error).toContain('film_blend');
    expect(start({ APP_PORT: 'x' })).toMatchObject({ code: 1, out: '', error: expect.stringContaining('APP_PORT') });
  });
});
