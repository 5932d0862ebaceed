// Installs the workspace with the pinned pnpm; nothing global is needed. Skips the work when the lock file has not changed since.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Inferflow needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exit(1);
}
const { packageManager } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const stamp = `${root}node_modules/.inferflow-bootstrap`;
const want = createHash('sha256')
  .update(readFileSync(`${root}pnpm-lock.yaml`))
  .update(readFileSync(`${root}pnpm-workspace.yaml`))
  .digest('hex');
if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) process.exit(0);
execFileSync('npx', ['--yes', packageManager, 'install', '--frozen-lockfile', '--prefer-offline'], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, CI: 'true', ONNXRUNTIME_NODE_INSTALL: 'skip' },
});
writeFileSync(stamp, want);
