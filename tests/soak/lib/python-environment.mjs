import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = fileURLToPath(new URL('../../../node_modules/.cache/inferflow/interop', import.meta.url));

/**
 * A virtual environment of its own with these packages, installed on first use.
 * @returns its folder and Python, or why there is none
 */
export async function findPythonEnvironment(name, packages) {
  const folder = join(cache, name);
  const python = join(folder, 'bin/python');
  if (existsSync(join(folder, 'installed'))) return { folder, python, why: '' };
  rmSync(folder, { recursive: true, force: true });
  for (const [command, args, what] of [
    ['python3', ['-m', 'venv', folder], 'no virtual environment'],
    [python, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', ...packages], `${packages[0]} could not be installed`],
  ]) {
    const problem = await run(command, args);
    if (problem !== null) return { folder, python: null, why: `${what}: ${problem}` };
  }
  mkdirSync(join(folder, 'installed'));
  return { folder, python, why: '' };
}

/** Null when it went well. */
function run(command, args) {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: 300_000 }, (error, _out, problems) => resolve(error === null ? null : problems || error.message));
  });
}
