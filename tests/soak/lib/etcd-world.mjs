// An etcd, a server that follows it, load on the server, and the means to look at what is live.
import { existsSync, readFileSync } from 'node:fs';
import { startEtcd } from '../../../scripts/services/etcd.mjs';
import { Client } from './client.mjs';
import { CutProxy } from './cut-proxy.mjs';
import { EtcdWriter } from './etcd-writer.mjs';
import { IdleThread } from './idle-thread.mjs';
import { startLeanFakes } from './lean-fakes.mjs';
import { settle, startLoad } from './load.mjs';
import { patient } from './patience.mjs';
import { PeerProxies } from './peer-proxies.mjs';
import { environmentFor } from './server-environment.mjs';
import { startServer } from './server-process.mjs';
import { until } from './suite-run.mjs';
import { freshRequest, modelConfig, PATH } from './workload.mjs';

/** A member of a rebooting machine is back when it answers; a change then has to be live within this time. */
export const ARRIVES_MS = patient(5000);

export class EtcdWorld {
  serial = 0;
  /** Names of the models called since the last look. */
  seen = new Set();
  turnsSeen = 0;

  static async start(run, options = {}) {
    const world = new EtcdWorld();
    await world.#start(run, options);
    return world;
  }

  /**
   * @param options.env variables for the server
   * @param options.user what the server logs in with
   * @param options.load false: no load
   * @param options.isProbed whether `longestTurnMs` is wanted
   */
  async #start(
    run,
    { version, members = 1, tls = false, auth = false, tokenTtl, env = {}, models = {}, user, load = true, isProbed = false },
  ) {
    this.run = run;
    // What members say to each other goes through relays, where it can be told who says it.
    this.peers = members > 1 && !tls ? new PeerProxies() : null;
    if (this.peers !== null) run.defer(() => this.peers.stop());
    this.cluster = await startEtcd(`${run.directory()}/etcd`, {
      version,
      members,
      tls,
      auth,
      tokenTtl,
      isDetached: false,
      ...(this.peers !== null && { relayPeer: (port) => this.peers.add(port) }),
    });
    run.defer(() => this.cluster.stop());
    await this.peers?.learn(this.cluster);
    this.writer = new EtcdWriter(this.cluster);
    run.defer(() => this.writer.close());
    this.idle = new IdleThread();
    run.defer(() => this.idle.stop());
    this.fakes = await startLeanFakes(run);
    this.fakes.model.onCall = ({ name }) => this.seen.add(name);
    this.proxies = await Promise.all(
      this.cluster.endpoints.map(async (endpoint) => {
        const proxy = await new CutProxy(Number(new URL(endpoint).port)).start();
        run.defer(() => proxy.stop());
        return proxy;
      }),
    );
    for (const [id, config] of Object.entries({ soak: this.config(), changing: this.config('-v0'), ...models }))
      await this.writer.put(id, config);
    const scheme = tls ? 'https' : 'http';
    const tlsFiles = { ETCD_TLS_CA: 'ca.crt', ETCD_TLS_CERT: 'client.crt', ETCD_TLS_KEY: 'client.key' };
    this.serverEnvironment = {
      ...environmentFor(this.fakes),
      EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: patient(5000),
      NUMERIX_CLIENT_V1_DEADLINE_MS: patient(5000),
      INFERFLOW_CONFIG_DIR: undefined,
      ETCD_SERVER: this.proxies.map(({ port }) => `${scheme}://${scheme === 'https' ? 'localhost' : '127.0.0.1'}:${port}`).join(','),
      ...(tls && Object.fromEntries(Object.entries(tlsFiles).map(([name, file]) => [name, this.cluster.tlsFile(file)]))),
      ...(auth && { ETCD_USERNAME: user ?? 'reader', ETCD_PASSWORD: user ?? 'reader' }),
      ...env,
    };
    this.turns = `${run.directory()}/turns`;
    const probe = new URL('./loop-probe.mjs', import.meta.url).href;
    this.server = await startServer(run, {
      env: { ...this.serverEnvironment, ...(isProbed && { SOAK_LOOP_PROBE: this.turns }) },
      nodeArguments: isProbed ? ['--import', probe] : [],
    });
    // What came before was the start.
    this.longestTurnMs();
    if (!load) return;
    this.load = startLoad(this.server.port, { rate: 40, connections: 2, modelId: 'soak', timeoutMs: 30_000 });
    this.changing = startLoad(this.server.port, { rate: 40, connections: 2, modelId: 'changing', timeoutMs: 30_000 });
    await settle(this.load);
    this.changing.mark();
  }

  config(marker = '', extra = {}) {
    return modelConfig(`127.0.0.1:${this.fakes.model.port}`, { marker, deadlineMs: patient(5000), ...extra });
  }

  cut(mode) {
    for (const proxy of this.proxies) proxy.set(mode);
  }

  /** Changes the model under load; returns how to wait until a request has met the change. */
  async change() {
    const marker = `-v${++this.serial}`;
    await this.writer.put('changing', this.config(marker));
    const written = performance.now();
    return {
      written,
      /** Milliseconds from a moment on, Infinity when it did not come within twice the time allowed. */
      live: async (since = written) => {
        const isLive = await until(() => this.seen.has(`ranker${marker}`), 2 * ARRIVES_MS, 5);
        return isLive ? performance.now() - since : Number.POSITIVE_INFINITY;
      },
    };
  }

  /** One check: a change made before or after a fault is live in time. */
  async arrives(what, change, since) {
    const took = await change.live(since);
    this.run.check(`${what}: the change is live in time`, took <= ARRIVES_MS, `${took.toFixed(0)} ms`);
  }

  /** What `/health/ready` says about the configurations. */
  async status(server = this.server) {
    const { status, body } = await server.get('/health/ready');
    return { code: status, ...(body.startsWith('{') ? JSON.parse(body) : {}) };
  }

  /** What `/config` says of a model. */
  async model(id, server = this.server) {
    const { status, body } = await server.get('/config');
    return status === 200 ? JSON.parse(body).models.find((model) => model.id === id) : undefined;
  }

  async isState(state, withinMs = 10_000, server = this.server) {
    let last;
    const isIt = await until(
      async () => {
        last = await this.status(server);
        return last.config?.state === state;
      },
      withinMs,
      50,
    );
    this.run.check(`the state is ${state}`, isIt, JSON.stringify(last?.config));
    return last?.config;
  }

  /** Code of one request to a model, and the version that answered it. */
  async ask(modelId, server = this.server) {
    const client = new Client(server.port);
    this.seen.clear();
    const { code, message } = await client.unary(PATH, freshRequest(1, modelId).message, { repeats: 2 });
    client.close();
    return { code, message };
  }

  /** No request failed and no row was wrong since the last such check. */
  unharmed(what) {
    const tallies = [this.load.mark(), this.changing.mark()];
    const isUnharmed = tallies.every(
      (tally) => tally.failures === 0 && tally.wrongCount === 0 && tally.faultyRows === 0 && tally.answered > 0,
    );
    this.run.check(`${what}: no request failed, no row was wrong`, isUnharmed, tallies.map(({ text }) => text).join(' | '));
  }

  /** The longest turn of the server's event loop since the last call, milliseconds; 0 if none was long. */
  longestTurnMs() {
    if (!existsSync(this.turns)) return 0;
    const lines = readFileSync(this.turns, 'utf8').split('\n').slice(0, -1);
    const fresh = lines.slice(this.turnsSeen);
    this.turnsSeen = lines.length;
    return fresh.reduce((longest, line) => Math.max(longest, JSON.parse(line).blockedMs), 0);
  }

  async stop() {
    await Promise.all([this.load?.stop(), this.changing?.stop()]);
    await this.server.kill();
    this.writer.close();
    await this.idle.stop();
    await this.cluster.stop();
    await this.peers?.stop();
  }
}
