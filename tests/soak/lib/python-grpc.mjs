import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const environment = fileURLToPath(new URL('../../../node_modules/.cache/inferflow/interop/python', import.meta.url));
const packages = ['grpcio==1.76.0', 'grpcio-tools==1.76.0', 'grpcio-reflection==1.76.0'];

/** A Python with grpcio, installed on first use: its path, or why there is none. */
export async function findPythonGrpc() {
  const python = join(environment, 'bin/python');
  if (existsSync(join(environment, 'installed'))) return { python, why: '' };
  rmSync(environment, { recursive: true, force: true });
  for (const [command, args, what] of [
    ['python3', ['-m', 'venv', environment], 'no virtual environment'],
    [python, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', ...packages], 'grpcio could not be installed'],
  ]) {
    const problem = await run(command, args);
    if (problem !== null) return { python: null, why: `${what}: ${problem}` };
  }
  mkdirSync(join(environment, 'installed'));
  return { python, why: '' };
}

/** Null when it went well. */
function run(command, args) {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: 300_000 }, (error, _out, problems) => resolve(error === null ? null : problems || error.message));
  });
}
