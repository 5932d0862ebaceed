// A real Kafka (KRaft) for tests: one broker or several on loopback, with faults. As a program: kafka.sh (same folder). As a module:
// the exports.
//
// Finds the jars in the cache (INFERFLOW_SERVICES_CACHE, else XDG_CACHE_HOME/inferflow-services, else ~/.cache/inferflow-services) or
// fetches them with Maven; needs Java 17. Everything listens on 127.0.0.1; data, logs, certificates and process ids live in DIR. A
// signal only goes to the very process that was started.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePorts } from '../free-ports.mjs';

const usage = `usage: kafka.sh find [--version V]                print KAFKA_LIB; exit code 3 when it is not installed
       kafka.sh install [--version V]             fetch it into the cache, unless it is there
       kafka.sh start DIR [--version V] [--brokers N] [--secure] [--set KEY=VALUE]…
       kafka.sh stop DIR [BROKER]                 graceful
       kafka.sh kill|pause|resume|restart DIR BROKER
       kafka.sh topic DIR NAME [PARTITIONS [REPLICAS]]
V: 4.3, 3.9 or an exact version`;

const series = { 4.3: '4.3.1', 3.9: '3.9.2' };
const exact = (version) => series[version] ?? version;
const cache = process.env.INFERFLOW_SERVICES_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'inferflow-services');
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** The folder with the jars, null if there is none. */
export function findKafka(version = '4.3') {
  const lib = join(cache, `kafka-${exact(version)}`);
  return existsSync(lib) && hasJava() ? lib : null;
}

function hasJava() {
  try {
    execFileSync('java', ['-version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Finds or fetches a version. */
export function installKafka(version = '4.3') {
  const found = findKafka(version);
  if (found !== null) return found;
  const wanted = exact(version);
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(tmpdir(), 'inferflow-kafka-'));
  try {
    writeFileSync(join(work, 'pom.xml'), pomOf(wanted));
    const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
    execFileSync('mvn', ['-q', '-B', '-ntp', goal, '-DincludeScope=runtime', `-DoutputDirectory=${join(work, 'lib')}`], {
      cwd: work,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const target = join(cache, `kafka-${wanted}`);
    if (!existsSync(target)) renameSync(join(work, 'lib'), target);
    return target;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

// The server has no logging of its own; the tools bring one that clashes with it.
const pomOf = (version) => `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${version}</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${version}</version><exclusions>
<exclusion><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId></exclusion>
<exclusion><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId></exclusion></exclusions></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>`;

const javaOptions = (heap) => [
  `-Xmx${heap}m`,
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Djava.net.preferIPv4Stack=true',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
];

/** Brokers in a folder. */
export class Kafka {
  constructor(directory) {
    this.directory = resolve(directory);
    Object.assign(this, JSON.parse(readFileSync(join(this.directory, 'cluster.json'), 'utf8')));
  }

  /** `host:port` of the plain listeners, comma separated. */
  get brokers() {
    return this.ports.map(([plain]) => `127.0.0.1:${plain}`).join(',');
  }

  /** The same of the TLS + SASL listeners (`--secure`): user inferflow, password inferflow-secret, PLAIN and SCRAM. */
  get secureBrokers() {
    return this.ports.map(([, , sasl]) => `127.0.0.1:${sasl}`).join(',');
  }

  #pidFile(broker) {
    return join(this.directory, `b${broker}`, 'pid');
  }

  /** Process id, if it is still the process that was started. */
  #pid(broker) {
    try {
      const [pid, birth] = readFileSync(this.#pidFile(broker), 'utf8').split(' ');
      return birthOf(pid) === birth ? Number(pid) : null;
    } catch {
      return null;
    }
  }

  launch(broker) {
    const folder = join(this.directory, `b${broker}`);
    const log = openSync(join(folder, 'log'), 'a');
    const args = [
      ...javaOptions(256),
      '-Xms256m',
      '-XX:MaxDirectMemorySize=128m',
      '-cp',
      join(this.lib, '*'),
      'kafka.Kafka',
      join(folder, 'server.properties'),
    ];
    const child = spawn('java', args, { detached: true, stdio: ['ignore', log, log] });
    child.unref();
    writeFileSync(this.#pidFile(broker), `${child.pid} ${birthOf(child.pid) ?? 0}`);
  }

  async ready(broker, seconds = 60) {
    const [port] = this.ports[broker];
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(100)) {
      if (this.#pid(broker) === null) throw new Error(`broker ${broker} ended; see ${join(this.directory, `b${broker}`, 'log')}`);
      if (await isOpen(port)) return;
    }
    throw new Error(`broker ${broker} did not answer within ${seconds} s`);
  }

  signal(broker, name) {
    const pid = this.#pid(broker);
    if (pid !== null) process.kill(pid, name);
    return pid !== null;
  }

  async kill(broker) {
    this.signal(broker, 'SIGKILL');
    while (this.#pid(broker) !== null) await sleep(20);
  }

  async stop(broker, graceSeconds = 15) {
    this.signal(broker, 'SIGCONT');
    this.signal(broker, 'SIGTERM');
    for (const end = Date.now() + graceSeconds * 1000; this.#pid(broker) !== null && Date.now() < end; ) await sleep(50);
    await this.kill(broker);
  }

  async restart(broker) {
    await this.stop(broker);
    this.launch(broker);
    await this.ready(broker);
  }

  async stopAll(graceSeconds = 3) {
    await Promise.all(this.ports.map((_, broker) => this.stop(broker, graceSeconds)));
  }

  /** Does not hold this process: a line to the broker may lead through it. */
  async topic(name, partitions = 1, replicas = 1, settings = []) {
    const args = ['--bootstrap-server', this.brokers, '--create', '--if-not-exists', '--topic', name];
    const own = settings.flatMap((setting) => ['--config', setting]);
    const shape = ['--partitions', String(partitions), '--replication-factor', String(replicas), ...own];
    const command = ['-cp', join(this.lib, '*'), 'org.apache.kafka.tools.TopicCommand', ...args, ...shape];
    await promisify(execFile)('java', [...javaOptions(128), ...command]);
  }
}

function birthOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')[19];
  } catch {
    return null;
  }
}

function isOpen(port) {
  return new Promise((done) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy();
      done(true);
    });
    socket.on('error', () => done(false));
  });
}

/**
 * Starts brokers in an empty folder.
 * @param options.advertise given the plain ports, the ports that clients are sent to instead: something in between, such as a slow relay
 */
export async function startKafka(directory, { version = '4.3', brokers = 1, secure = false, set = [], advertise = null } = {}) {
  const lib = installKafka(version);
  const folder = resolve(directory);
  mkdirSync(folder, { recursive: true });
  const all = await freePorts(brokers * 3);
  const ports = Array.from({ length: brokers }, (_, broker) => [all[broker * 3], all[broker * 3 + 1], all[broker * 3 + 2]]);
  if (secure) certificates(join(folder, 'tls'));
  const clusterId = randomBytes(16).toString('base64url').replace(/^-/, 'A');
  writeFileSync(join(folder, 'cluster.json'), JSON.stringify({ lib, ports, tls: secure ? join(folder, 'tls') : null }));
  const kafka = new Kafka(folder);
  const relays = advertise === null ? null : await advertise(ports.map(([plain]) => plain));
  for (let broker = 0; broker < brokers; broker++) {
    const home = join(folder, `b${broker}`);
    mkdirSync(home, { recursive: true });
    writeFileSync(
      join(home, 'server.properties'),
      propertiesOf(
        exact(version),
        folder,
        broker,
        ports,
        secure,
        relays === null ? set : [...set, `advertised.listeners=PLAINTEXT://127.0.0.1:${relays[broker]}`],
      ),
    );
    const scram = secure
      ? ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((name) => ['--add-scram', `${name}=[name=inferflow,password=inferflow-secret]`])
      : [];
    const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', join(home, 'server.properties'), ...scram];
    execFileSync('java', [...javaOptions(128), '-cp', join(lib, '*'), ...format], { stdio: 'ignore' });
    kafka.launch(broker);
  }
  try {
    for (let broker = 0; broker < brokers; broker++) await kafka.ready(broker);
  } catch (error) {
    await kafka.stopAll();
    throw error;
  }
  return kafka;
}

function propertiesOf(version, folder, broker, ports, secure, set) {
  const replicas = Math.min(ports.length, 3);
  const [plain, controller, sasl] = ports[broker];
  const lines = [
    'process.roles=broker,controller',
    `node.id=${broker}`,
    `controller.quorum.voters=${ports.map((each, index) => `${index}@127.0.0.1:${each[1]}`).join(',')}`,
    'controller.listener.names=CONTROLLER',
    'inter.broker.listener.name=PLAINTEXT',
    `listeners=PLAINTEXT://127.0.0.1:${plain},CONTROLLER://127.0.0.1:${controller}${secure ? `,SASL_SSL://127.0.0.1:${sasl}` : ''}`,
    'listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL',
    `log.dirs=${join(folder, `b${broker}`, 'data')}`,
    'num.partitions=3',
    `default.replication.factor=${replicas}`,
    `min.insync.replicas=${replicas > 2 ? 2 : 1}`,
    `offsets.topic.replication.factor=${replicas}`,
    'offsets.topic.num.partitions=3',
    `transaction.state.log.replication.factor=${replicas}`,
    'transaction.state.log.min.isr=1',
    'transaction.state.log.num.partitions=3',
    'group.initial.rebalance.delay.ms=0',
    'log.cleaner.dedupe.buffer.size=8388608',
    'num.network.threads=2',
    'num.io.threads=4',
    'broker.session.timeout.ms=4000',
    'broker.heartbeat.interval.ms=500',
    'replica.lag.time.max.ms=4000',
  ];
  if (!version.startsWith('3.')) {
    lines.push(
      `share.coordinator.state.topic.replication.factor=${replicas}`,
      'share.coordinator.state.topic.min.isr=1',
      'share.coordinator.state.topic.num.partitions=3',
    );
  }
  if (secure) {
    const module = 'org.apache.kafka.common.security';
    lines.push(
      'sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN',
      ...['256', '512'].map(
        (size) => `listener.name.sasl_ssl.scram-sha-${size}.sasl.jaas.config=${module}.scram.ScramLoginModule required;`,
      ),
      `listener.name.sasl_ssl.plain.sasl.jaas.config=${module}.plain.PlainLoginModule required user_inferflow="inferflow-secret";`,
      'ssl.keystore.type=PEM',
      `ssl.keystore.location=${join(folder, 'tls', 'server.pem')}`,
      'ssl.truststore.type=PEM',
      `ssl.truststore.location=${join(folder, 'tls', 'ca.crt')}`,
    );
  }
  return `${[...lines, ...set].join('\n')}\n`;
}

function certificates(folder) {
  mkdirSync(folder, { recursive: true });
  const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=test-ca');
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost');
  writeFileSync(join(folder, 'san'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  openssl(
    'x509',
    '-req',
    '-in',
    'server.csr',
    '-CA',
    'ca.crt',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-out',
    'server.crt',
    '-days',
    '2',
    '-extfile',
    'san',
  );
  writeFileSync(join(folder, 'server.pem'), ['server.key', 'server.crt'].map((name) => readFileSync(join(folder, name), 'utf8')).join(''));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [command, ...rest] = process.argv.slice(2);
  const option = (name) => (rest.includes(name) ? rest.splice(rest.indexOf(name), 2)[1] : undefined);
  const version = option('--version');
  const brokers = Number(option('--brokers') ?? 1);
  const set = [];
  for (let value = option('--set'); value !== undefined; value = option('--set')) set.push(value);
  const secure = rest.includes('--secure');
  const [directory, ...args] = rest.filter((word) => word !== '--secure');
  if (command === 'find') {
    const lib = findKafka(version);
    if (lib === null) process.exit(3);
    console.log(`KAFKA_LIB=${lib}`);
  } else if (command === 'install') console.log(`KAFKA_LIB=${installKafka(version)}`);
  else if (directory === undefined) {
    console.error(usage);
    process.exit(2);
  } else if (command === 'start') {
    const kafka = await startKafka(directory, { ...(version !== undefined && { version }), brokers, secure, set });
    console.log(`KAFKA_BROKERS=${kafka.brokers}`);
    if (secure) console.log(`KAFKA_SASL_SSL_BROKERS=${kafka.secureBrokers}\nKAFKA_CA=${join(kafka.tls, 'ca.crt')}`);
  } else {
    const kafka = new Kafka(directory);
    const broker = Number(args[0]);
    if (command === 'stop') await (args[0] === undefined ? kafka.stopAll() : kafka.stop(broker));
    else if (command === 'kill') await kafka.kill(broker);
    else if (command === 'pause') kafka.signal(broker, 'SIGSTOP');
    else if (command === 'resume') kafka.signal(broker, 'SIGCONT');
    else if (command === 'restart') await kafka.restart(broker);
    else if (command === 'topic') await kafka.topic(args[0], Number(args[1] ?? 1), Number(args[2] ?? 1));
    else {
      console.error(usage);
      process.exit(2);
    }
  }
}
