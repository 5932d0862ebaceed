// Runs a command under another major of Node: node scripts/with-node.mjs 26 npx vitest run
// The binary comes from the npm package that ships it and is kept below node_modules/.cache.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const versions = { 22: '22.23.3', 24: '24.21.0', 26: '26.10.0' };
const [major, ...command] = process.argv.slice(2);
const version = versions[major];
if (version === undefined || command.length === 0) {
  console.error(`usage: node scripts/with-node.mjs ${Object.keys(versions).join('|')} <command> …`);
  process.exit(2);
}
const cache = join(fileURLToPath(new URL('..', import.meta.url)), 'node_modules', '.cache', 'inferflow', `node-${version}`);
const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
const bin = join(cache, 'node_modules', name, 'bin');
if (!existsSync(bin)) {
  mkdirSync(cache, { recursive: true });
  execFileSync('npm', ['install', '--no-save', '--no-package-lock', '--prefix', cache, `${name}@${version}`], { stdio: 'inherit' });
}
const { status, signal } = spawnSync(command[0], command.slice(1), {
  stdio: 'inherit',
  env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
});
if (signal !== null) console.error(`ended by ${signal}`);
process.exit(status ?? 1);
