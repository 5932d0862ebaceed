import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { freePort } from '../scripts/free-ports.mjs';
import { firstMissingLine } from './docs/markdown-blocks.js';
import { assertBuilt } from './docs/page-runner.js';

const root = join(import.meta.dirname, '..');
const page = 'docs/guides/change-a-model.md';

interface Step {
  readonly line: number;
  readonly text: string;
  readonly exitCode: number;
  /** What the page says is printed; empty if it does not say. */
  readonly shows: string;
}

/** Blocks of the page that are marked as steps, each with what it shows. */
function stepsOf(markdown: string): readonly Step[] {
  const steps: Step[] = [];
  for (const match of markdown.matchAll(/^<!-- (step|shows)(?:: exit (\d+))? -->\n```\w+\n([\s\S]*?)^```$/gm)) {
    const [, kind, exit = '0', text = ''] = match;
    const last = steps.at(-1);
    if (kind === 'shows' && last !== undefined) steps[steps.length - 1] = { ...last, shows: text };
    else steps.push({ line: markdown.slice(0, match.index).split('\n').length, text, exitCode: Number(exit), shows: '' });
  }
  return steps;
}

/** Runs all steps in one shell, as a reader does; gives what each printed, and its exit status. */
async function runSteps(steps: readonly Step[], port: number): Promise<readonly { readonly printed: string; readonly code: number }[]> {
  const script = steps.map(({ text }, index) => `${text.replaceAll('8085', String(port))}\necho "<<end of ${index}: $?>>"\n`).join('');
  const env = { ...process.env, APP_PORT: String(port), APP_LOG_LEVEL: 'INFO', GIT_AUTHOR_NAME: 'Grace' };
  const shell = spawn('bash', ['-c', `exec 2>&1\n${script}`], { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  for await (const part of shell.stdout) printed += String(part);
  return steps.map((_, index) => {
    const [before = '', after = ''] = printed.split(`<<end of ${index}: `);
    return { printed: before.split(/<<end of \d+: \d+>>\n/).at(-1) ?? '', code: Number.parseInt(after, 10) };
  });
}

const hasEtcd = process.env.INFERFLOW_REQUIRE_SERVICES ? true : spawnSync(join(root, 'scripts/services/etcd.sh'), ['find']).status === 0;

it.skipIf(!hasEtcd)(`every step of ${page} does what the page says`, { timeout: 120_000 }, async () => {
  assertBuilt();
  const steps = stepsOf(readFileSync(join(root, page), 'utf8'));
  expect(steps.length).toBeGreaterThan(8);
  const port = await freePort();
  const results = await runSteps(steps, port);
  steps.forEach(({ line, exitCode, shows }, index) => {
    const { printed, code } = results[index]!;
    const where = `${page}:${line} printed:\n${printed}`;
    expect(code, where).toBe(exitCode);
    expect(firstMissingLine(shows.replaceAll('8085', String(port)), printed), where).toBe(null);
  });
});
