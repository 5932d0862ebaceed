// Every published package: publint, are-the-types-wrong, then packed, installed together into an empty project, and the first
// JavaScript example of its README run there. Asserts that the engine and the client bring in no heavy library.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (name) => join(root, 'node_modules', '.bin', name);
const run = (command, args, cwd, options = {}) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });
const heavy = ['onnxruntime-node', 'kafkajs', 'etcd3', 'apache-arrow', 'hyparquet'];

const folders = ['packages', 'apps', 'examples'].flatMap((group) => readdirSync(join(root, group)).map((name) => join(root, group, name)));
const packages = folders
  .filter((folder) => existsSync(join(folder, 'package.json')))
  .map((folder) => ({ folder, manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) }))
  .filter(({ manifest }) => manifest.private !== true);

const work = mkdtempSync(join(tmpdir(), 'inferflow-pack-'));
const failures = [];
const check = (what, action) => {
  try {
    action();
    console.log(`ok    ${what}`);
  } catch (error) {
    failures.push(what);
    console.log(`FAIL  ${what}\n${error.stdout ?? ''}${error.stderr ?? error.message}`);
  }
};

try {
  const tarballs = new Map();
  for (const { folder, manifest } of packages) {
    const name = manifest.name;
    check(`${name}: pack`, () => {
      const [line] = run(bin('pnpm'), ['pack', '--pack-destination', work], folder).trim().split('\n').slice(-1);
      tarballs.set(name, join(work, line.split('/').at(-1)));
    });
    if (!tarballs.has(name)) continue;
    check(`${name}: publint`, () => run(bin('publint'), ['run', tarballs.get(name), '--strict'], root));
    if (manifest.exports?.['.'] !== undefined && typeof manifest.exports['.'] === 'object') {
      check(`${name}: types`, () => run(bin('attw'), [tarballs.get(name), '--profile', 'esm-only', '--no-emoji'], root));
    }
  }

  // One project holds all tarballs; overrides make them find each other instead of a registry.
  const overrides = Object.fromEntries([...tarballs].map(([name, file]) => [name, `file:${file}`]));
  const install = (project, names, beside = {}) => {
    mkdirSync(project);
    writeFileSync(
      join(project, 'package.json'),
      JSON.stringify({
        name: 'empty',
        private: true,
        type: 'module',
        dependencies: { ...beside, ...Object.fromEntries(names.map((name) => [name, overrides[name]])) },
        pnpm: { overrides, onlyBuiltDependencies: [] },
      }),
    );
    writeFileSync(join(project, '.npmrc'), 'auto-install-peers=false\nstrict-peer-dependencies=false\nnode-linker=hoisted\n');
    run(bin('pnpm'), ['install', '--prefer-offline', '--ignore-scripts', '--ignore-workspace'], project);
  };

  for (const name of ['@inferflow/engine', '@inferflow/client']) {
    check(`${name}: brings in no heavy library`, () => {
      const project = join(work, name.replace(/\W/g, '-'));
      install(project, [name]);
      const found = heavy.filter((library) => existsSync(join(project, 'node_modules', library)));
      if (found.length > 0) throw new Error(`installed: ${found.join(', ')}`);
    });
  }

  const project = join(work, 'all');
  // Optional peers and the libraries whose types stand in our interfaces: what the READMEs tell people to install beside a package.
  const peers = Object.fromEntries(packages.flatMap(({ manifest }) => Object.entries(manifest.peerDependencies ?? {})));
  const beside = { ...peers, '@bufbuild/protobuf': '^2.17.0', '@connectrpc/connect': '2.1.2' };
  check('all packages: install into an empty project', () => install(project, [...tarballs.keys()], beside));
  for (const { folder, manifest } of packages) {
    const readme = join(folder, 'README.md');
    check(`${manifest.name}: README example`, () => {
      if (!existsSync(readme)) throw new Error('there is no README.md');
      const example = /```(?:js|ts|javascript|typescript)\n([\s\S]*?)```/.exec(readFileSync(readme, 'utf8'))?.[1];
      if (example === undefined) {
        // Commands and data packages have nothing to import.
        if (manifest.bin !== undefined || manifest.exports?.['.'] === undefined) return;
        throw new Error('the README has no example');
      }
      const file = join(project, `${manifest.name.replace(/\W/g, '-')}.mjs`);
      writeFileSync(file, example);
      run(process.execPath, [file], project, { timeout: 60_000 });
    });
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
console.log(failures.length === 0 ? '\nall packages are fit to publish' : `\n${failures.length} failed: ${failures.join('; ')}`);
process.exit(failures.length === 0 ? 0 : 1);
