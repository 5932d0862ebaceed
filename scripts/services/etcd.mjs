// A real etcd for tests: one member or a cluster on loopback, with faults. As a program: etcd.sh (same folder). As a module: the exports.
//
// Everything listens on 127.0.0.1; data, logs, certificates and process ids live in DIR. A signal only goes to the very process that was
// started. Where the program comes from: etcd-binary.mjs.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../free-ports.mjs';
import { findEtcd, installEtcd } from './etcd-binary.mjs';

const usage = `usage: etcd.sh find [--version V]              print ETCD_BIN and ETCD_VERSION; exit code 3 when there is none
       etcd.sh install [--version V]           build it into the cache, unless it is there
       etcd.sh start DIR [--version V] [--members N] [--tls] [--auth] [--token-ttl S] [--compact N] [--flag=…]
       etcd.sh stop DIR                        graceful, all members
       etcd.sh kill|pause|resume|restart DIR M one member
       etcd.sh wipe DIR M                      kill a member, throw its data away, start it again
       etcd.sh leader DIR                      index of the leader
       etcd.sh compact DIR                     compact up to the current revision
       etcd.sh api DIR PATH JSON               one call of etcd's JSON API, such as: kv/put '{"key":"Zm9v","value":"YmFy"}'
V: 3.5, 3.6 or an exact version; without it, whatever is found first`;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Start time of a process in ticks since boot, undefined when it is gone: tells it from another one with its number. */
function birthOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** One running cluster, known by its directory. */
export class EtcdCluster {
  /** Members outlive this process, as those of the command do; otherwise they belong to its group and end with it. */
  isDetached = true;

  constructor(directory) {
    this.directory = resolve(directory);
    this.state = JSON.parse(readFileSync(join(this.directory, 'cluster.json'), 'utf8'));
  }

  get endpoints() {
    return this.state.members.map(({ url }) => url);
  }

  /** What `start` prints. */
  get variables() {
    const { version, binary, tls, auth } = this.state;
    return {
      ETCD_VERSION: version,
      ETCD_BIN: binary,
      ETCD_ENDPOINTS: this.endpoints.join(','),
      ...(tls && { ETCD_CA: this.tlsFile('ca.crt'), ETCD_CERT: this.tlsFile('client.crt'), ETCD_KEY: this.tlsFile('client.key') }),
      ...(auth && { ETCD_USER: 'root', ETCD_PASSWORD: 'root', ETCD_READER: 'reader', ETCD_READER_PASSWORD: 'reader' }),
    };
  }

  tlsFile(name) {
    return join(this.directory, 'tls', name);
  }

  launch(member) {
    const { arguments: args } = this.state.members[member];
    const log = openSync(join(this.directory, `m${member}.log`), 'a');
    const child = spawn(this.state.binary, args, { detached: this.isDetached, stdio: ['ignore', log, log] });
    child.unref();
    writeFileSync(this.#pidFile(member), `${child.pid} ${birthOf(child.pid)}`);
  }

  /** True while the process that was started for a member is there. */
  isRunning(member) {
    return this.#pid(member) !== undefined;
  }

  signal(member, name) {
    const pid = this.#pid(member);
    if (pid !== undefined) process.kill(pid, name);
    return pid !== undefined;
  }

  async kill(member) {
    this.signal(member, 'SIGKILL');
    while (this.isRunning(member)) await sleep(10);
  }

  async restart(member) {
    await this.kill(member);
    this.launch(member);
    await this.ready(member);
  }

  async wipe(member) {
    await this.kill(member);
    rmSync(join(this.directory, `m${member}`), { recursive: true, force: true });
    this.launch(member);
    await this.ready(member);
  }

  async stop() {
    const members = this.state.members.map((_, index) => index);
    for (const member of members) {
      this.signal(member, 'SIGCONT');
      this.signal(member, 'SIGTERM');
    }
    const end = Date.now() + 1500;
    while (members.some((member) => this.isRunning(member)) && Date.now() < end) await sleep(20);
    for (const member of members) await this.kill(member);
  }

  /** Waits until a member answers for the cluster. */
  async ready(member, withinMs = 30_000) {
    const end = Date.now() + withinMs;
    for (;;) {
      try {
        await this.api('kv/range', { key: 'Lw==' }, member);
        return;
      } catch (error) {
        // With users on, only those may read: the refusal is an answer too.
        if (/user name is empty|permission denied|invalid auth token/.test(error.message)) return;
        if (Date.now() < end && this.isRunning(member)) await sleep(50);
        else
          throw new Error(
            `member ${member} is not ready: ${error.message}\n${readFileSync(join(this.directory, `m${member}.log`), 'utf8').slice(-1500)}`,
          );
      }
    }
  }

  /** One call of the JSON API. */
  api(path, body, member = 0, token) {
    const { url } = this.state.members[member];
    const { request } = url.startsWith('https') ? https : http;
    const tls = this.state.tls
      ? {
          ca: readFileSync(this.tlsFile('ca.crt')),
          cert: readFileSync(this.tlsFile('client.crt')),
          key: readFileSync(this.tlsFile('client.key')),
        }
      : {};
    return new Promise((done, fail) => {
      const call = request(
        `${url}/v3/${path}`,
        { method: 'POST', timeout: 3000, agent: false, ...tls, headers: token ? { authorization: token } : {} },
        (answer) => {
          let text = '';
          answer.setEncoding('utf8');
          answer.on('data', (part) => {
            text += part;
          });
          answer.on('end', () => {
            try {
              const value = JSON.parse(text);
              if (answer.statusCode === 200) done(value);
              else fail(new Error(value.message ?? value.error ?? text));
            } catch {
              fail(new Error(`HTTP ${answer.statusCode}: ${text.slice(0, 200)}`));
            }
          });
        },
      );
      call.on('timeout', () => call.destroy(new Error('no answer')));
      call.on('error', fail);
      call.end(JSON.stringify(body));
    });
  }

  /** The same as root, where there are users. */
  async rootApi(path, body, member = 0) {
    const token = this.state.auth ? (await this.api('auth/authenticate', { name: 'root', password: 'root' }, member)).token : undefined;
    return this.api(path, body, member, token);
  }

  async leader() {
    for (const member of this.state.members.keys()) {
      if (!this.isRunning(member)) continue;
      const status = await this.rootApi('maintenance/status', {}, member).catch(() => undefined);
      if (status !== undefined && status.leader === status.header.member_id) return member;
    }
    return undefined;
  }

  /** Compacts up to the current revision. */
  async compact() {
    const { header } = await this.rootApi('kv/range', { key: 'Lw==' });
    await this.rootApi('kv/compaction', { revision: header.revision, physical: true });
  }

  #pidFile(member) {
    return join(this.directory, `m${member}.pid`);
  }

  #pid(member) {
    if (!existsSync(this.#pidFile(member))) return undefined;
    const [pid, birth] = readFileSync(this.#pidFile(member), 'utf8').split(' ');
    return birthOf(pid) === birth ? Number(pid) : undefined;
  }
}

/**
 * Starts a cluster and waits until it answers.
 * @param options.relayPeer gives the port under which the others are to call a member, for that of its peer port: something in between
 */
export async function startEtcd(
  directory,
  { version, members = 1, tls = false, auth = false, tokenTtl, compact, flags = [], isDetached = true, relayPeer } = {},
) {
  const found = findEtcd(version) ?? installEtcd(version ?? '3.6');
  const place = resolve(directory);
  if (existsSync(join(place, 'cluster.json'))) throw new Error(`${place} holds a cluster already`);
  mkdirSync(place, { recursive: true });
  if (tls) makeCertificates(join(place, 'tls'));
  const scheme = tls ? 'https' : 'http';
  const ports = await freePorts(members * 2);
  // Over TLS by name: newer releases of Node refuse a TLS server name that is an address, and the etcd3 library always sends one.
  const client = (member) => `${scheme}://${tls ? 'localhost' : '127.0.0.1'}:${ports[member]}`;
  const peer = (member) => `${scheme}://127.0.0.1:${ports[members + member]}`;
  const relays = [];
  for (let member = 0; member < members; member++) relays.push((await relayPeer?.(ports[members + member])) ?? ports[members + member]);
  const advertised = (member) => `${scheme}://127.0.0.1:${relays[member]}`;
  const indices = Array.from({ length: members }, (_, index) => index);
  const file = (name) => join(place, 'tls', name);
  const isOld = found.version.startsWith('3.4.');
  const state = {
    ...found,
    tls,
    auth,
    members: indices.map((member) => ({
      url: client(member),
      peer: peer(member),
      arguments: [
        ...['--name', `m${member}`, '--data-dir', join(place, `m${member}`)],
        ...['--listen-client-urls', client(member), '--advertise-client-urls', client(member)],
        ...['--listen-peer-urls', peer(member), '--initial-advertise-peer-urls', advertised(member)],
        ...['--initial-cluster', indices.map((index) => `m${index}=${advertised(index)}`).join(','), '--initial-cluster-state', 'new'],
        // Elections are fast on purpose. Data need not survive a power cut.
        ...['--heartbeat-interval', '50', '--election-timeout', '500', '--log-level', 'warn'],
        ...(isOld ? ['--logger', 'zap'] : ['--unsafe-no-fsync']),
        ...(tokenTtl === undefined ? [] : ['--auth-token-ttl', String(tokenTtl)]),
        ...(compact === undefined ? [] : ['--auto-compaction-mode', 'revision', '--auto-compaction-retention', String(compact)]),
        ...(tls
          ? [
              '--client-cert-auth',
              '--trusted-ca-file',
              file('ca.crt'),
              '--cert-file',
              file('server.crt'),
              '--key-file',
              file('server.key'),
            ].concat(
              ['--peer-client-cert-auth', '--peer-trusted-ca-file', file('ca.crt'), '--peer-cert-file', file('server.crt')],
              ['--peer-key-file', file('server.key')],
            )
          : []),
        ...flags,
      ],
    })),
  };
  writeFileSync(join(place, 'cluster.json'), JSON.stringify({ ...state, auth: false }));
  let cluster = new EtcdCluster(place);
  cluster.isDetached = isDetached;
  try {
    for (const member of indices) cluster.launch(member);
    for (const member of indices) await cluster.ready(member);
    if (auth) {
      await enableUsers(cluster);
      writeFileSync(join(place, 'cluster.json'), JSON.stringify(state));
      cluster = new EtcdCluster(place);
      cluster.isDetached = isDetached;
    }
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

/** Users root/root and reader/reader; the latter may read what begins with /config. */
async function enableUsers(cluster) {
  const text = (value) => Buffer.from(value).toString('base64');
  for (const name of ['root', 'reader']) {
    await cluster.api('auth/user/add', { name, password: name });
    await cluster.api('auth/role/add', { name });
    await cluster.api('auth/user/grant', { user: name, role: name });
  }
  await cluster.api('auth/role/grant', { name: 'reader', perm: { permType: 'READ', key: text('/config'), range_end: text('/confih') } });
  await cluster.api('auth/enable', {});
}

/** A CA, a server certificate for 127.0.0.1 and localhost, a client certificate (without a common name: the JSON API refuses those that name a user). */
export function makeCertificates(folder, { days = 30 } = {}) {
  mkdirSync(folder, { recursive: true });
  const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  if (!existsSync(join(folder, 'ca.crt')))
    openssl('req', '-x509', ...key, '-days', '30', '-subj', '/CN=test-ca', '-keyout', 'ca.key', '-out', 'ca.crt');
  for (const [name, subject, use] of [
    // Members call each other with the server's certificate.
    ['server', '/CN=localhost', 'serverAuth,clientAuth'],
    ['client', '/O=inferflow', 'clientAuth'],
  ]) {
    openssl('req', ...key, '-subj', subject, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    writeFileSync(join(folder, `${name}.ext`), `subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=${use}\n`);
    const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', String(days), '-extfile', `${name}.ext`];
    openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-out', `${name}.crt`);
  }
}

async function main([command, ...rest]) {
  const options = {};
  const flags = [];
  const words = [];
  for (let index = 0; index < rest.length; index++) {
    const word = rest[index];
    if (word.startsWith('--flag=')) flags.push(word.slice('--flag='.length));
    else if (word === '--tls' || word === '--auth') options[word.slice(2)] = true;
    else if (['--version', '--members', '--token-ttl', '--compact'].includes(word)) options[word.slice(2)] = rest[++index];
    else words.push(word);
  }
  const print = (variables) => {
    for (const [name, value] of Object.entries(variables)) console.log(`${name}=${value}`);
  };
  const [directory, second, third] = words;
  if (command === 'find') {
    const found = findEtcd(options.version);
    if (found === null) process.exit(3);
    return print({ ETCD_BIN: found.binary, ETCD_VERSION: found.version });
  }
  if (command === 'install') {
    const { binary, version } = installEtcd(options.version);
    return print({ ETCD_BIN: binary, ETCD_VERSION: version });
  }
  if (directory === undefined) {
    console.error(usage);
    process.exit(2);
  }
  if (command === 'start') {
    const cluster = await startEtcd(directory, {
      version: options.version,
      members: Number(options.members ?? 1),
      tls: options.tls,
      auth: options.auth,
      tokenTtl: options['token-ttl'],
      compact: options.compact,
      flags,
    });
    return print(cluster.variables);
  }
  const cluster = new EtcdCluster(directory);
  const member = Number(second ?? 0);
  switch (command) {
    case 'stop':
      return cluster.stop();
    case 'kill':
      return cluster.kill(member);
    case 'pause':
      return cluster.signal(member, 'SIGSTOP');
    case 'resume':
      return cluster.signal(member, 'SIGCONT');
    case 'restart':
      return cluster.restart(member);
    case 'wipe':
      return cluster.wipe(member);
    case 'leader':
      return console.log(await cluster.leader());
    case 'compact':
      return cluster.compact();
    case 'api':
      return console.log(JSON.stringify(await cluster.rootApi(second, JSON.parse(third ?? '{}'))));
    default:
      console.error(usage);
      process.exit(2);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(process.argv.slice(2)).catch((error) => {
    console.error(`etcd.sh: ${error.message}`);
    process.exit(1);
  });
}
