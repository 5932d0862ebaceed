// Where an etcd for tests comes from: INFERFLOW_ETCD_BIN, the cache, the PATH, or a build. Sources come through the Go module proxy, checked by
// the checksum database; the cache is INFERFLOW_SERVICES_CACHE, else XDG_CACHE_HOME/inferflow-services, else ~/.cache/inferflow-services.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

const series = { 3.5: '3.5.35', 3.6: '3.6.16' };
const exact = (version) => series[version] ?? version;
const cache = process.env.INFERFLOW_SERVICES_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'inferflow-services');

/** The etcd to use, null if there is none. @param version a series or an exact version; undefined: any */
export function findEtcd(version) {
  const given = process.env.INFERFLOW_ETCD_BIN;
  const candidates =
    version === undefined
      ? [...Object.values(series).reverse().map(cached), given, ...onPath()]
      : [cached(exact(version)), given, ...onPath()];
  for (const binary of candidates) {
    if (binary === undefined || !existsSync(binary)) continue;
    const found = /etcd Version: (\S+)/.exec(execFileSync(binary, ['--version'], { encoding: 'utf8' }))?.[1];
    if (found !== undefined && (version === undefined || found === exact(version) || found.startsWith(`${version}.`)))
      return { binary, version: found };
  }
  return null;
}

const cached = (version) => join(cache, `etcd-${version}`, 'etcd');
const onPath = () => (process.env.PATH ?? '').split(':').map((folder) => join(folder, 'etcd'));

/** Finds or builds a version. */
export function installEtcd(version = '3.6') {
  const found = findEtcd(version);
  if (found !== null) return found;
  const wanted = exact(version);
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(tmpdir(), 'inferflow-etcd-build-'));
  const go = (...args) =>
    execFileSync('go', args, {
      cwd: work,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false', GOWORK: 'off' },
    });
  try {
    // A module of our own: `go install` refuses modules with replace directives.
    go('mod', 'init', 'local/etcd');
    const modules = ['server', 'etcdctl', 'etcdutl'].map((name) => `go.etcd.io/etcd/${name}/v3`);
    go('get', ...modules.map((name) => `${name}@v${wanted}`));
    mkdirSync(join(work, 'bin'));
    go('build', '-trimpath', '-ldflags', '-s -w', '-o', 'bin/etcd', modules[0]);
    go('build', '-trimpath', '-ldflags', '-s -w', '-o', 'bin/', modules[1], modules[2]);
    const place = join(cache, `etcd-${wanted}`);
    // Another build may have been faster.
    if (!existsSync(cached(wanted))) execFileSync('cp', ['-r', join(work, 'bin'), `${place}.${process.pid}`]);
    if (existsSync(`${place}.${process.pid}`)) renameSync(`${place}.${process.pid}`, place);
  } catch (error) {
    throw new Error(`etcd ${wanted} could not be built: ${String(error.stderr ?? error.message).slice(-800)}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return findEtcd(version);
}
