// The stock server as a child process: environment, configuration directory, log lines, metrics, memory.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { httpGet } from './http-get.mjs';
import { parseMetrics } from './metrics.mjs';
import { sleep, until } from './suite-run.mjs';

const main = fileURLToPath(new URL('../../../apps/server/dist/main.js', import.meta.url));
const keptLines = 400;

/** A configuration directory whose files are replaced by rename. */
export class ConfigDirectory {
  constructor(path) {
    this.path = path;
    mkdirSync(join(path, 'models'), { recursive: true });
  }

  #file(id) {
    return join(this.path, 'models', `${encodeURIComponent(id)}.json`);
  }

  /** @param config an object, or text that is written as it is */
  put(id, config) {
    const file = this.#file(id);
    writeFileSync(`${file}.tmp`, typeof config === 'string' ? config : JSON.stringify(config));
    renameSync(`${file}.tmp`, file);
  }

  /** Writes in place, in pieces: what a careless editor does. */
  async putSlowly(id, config, pieces, pauseMs) {
    const text = JSON.stringify(config);
    const size = Math.ceil(text.length / pieces);
    for (let piece = 1; piece <= pieces; piece++) {
      writeFileSync(this.#file(id), text.slice(0, piece * size));
      if (piece < pieces) await sleep(pauseMs);
    }
  }

  remove(id) {
    rmSync(this.#file(id), { force: true });
  }
}

/**
 * Starts the server and waits until it listens.
 * @param run the suite's run: ends the server with it
 * @param options.env variables on top of the defaults; `undefined` removes one
 * @param options.models id → configuration, written before the start
 * @param options.nodeArguments for the runtime, before the entry point
 * @param options.mayFail the server is expected to refuse to start: look at `alive`, `exited` and `lines`
 */
export async function startServer(run, { env = {}, models = {}, nodeArguments = [], mayFail = false } = {}) {
  const config = new ConfigDirectory(run.directory());
  for (const [id, model] of Object.entries(models)) config.put(id, model);
  const server = new ServerProcess(config, env, nodeArguments, mayFail);
  run.defer(() => server.kill());
  await server.start();
  return server;
}

class ServerProcess {
  exited = undefined;
  lines = [];
  /** Lines of level error or fatal. */
  errors = [];
  port = 0;

  constructor(config, env, nodeArguments, mayFail) {
    this.config = config;
    this.env = env;
    this.nodeArguments = nodeArguments;
    this.mayFail = mayFail;
    this.mayEnd = mayFail;
  }

  async start() {
    const env = {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      APP_NAME: 'soak',
      APP_ENV: 'test',
      APP_PORT: '0',
      APP_LOG_LEVEL: 'INFO',
      INFERFLOW_CONFIG_DIR: this.config.path,
      ...this.env,
    };
    for (const name of Object.keys(env)) env[name] = env[name] === undefined ? undefined : String(env[name]);
    this.exited = undefined;
    this.port = 0;
    this.child = spawn(process.execPath, [...this.nodeArguments, main], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.once('exit', (code, signal) => {
      this.exited = { code, signal, at: performance.now() };
      if (!this.mayEnd) console.log(`      THE SERVER ENDED with ${signal ?? code}: ${this.lines.slice(-3).join(' | ').slice(0, 2000)}`);
    });
    this.#read(this.child.stdout);
    this.#read(this.child.stderr);
    await until(() => this.port !== 0 || this.exited !== undefined, 30_000, 10);
    if (this.port === 0 && this.exited === undefined) await this.kill();
    if (this.port === 0 && !this.mayFail) throw new Error(`the server did not start:\n${this.lines.slice(-20).join('\n')}`);
  }

  #read(stream) {
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) this.#line(line);
    });
  }

  #line(line) {
    this.lines.push(line);
    if (this.lines.length > keptLines) this.lines.shift();
    if (!line.startsWith('{')) return;
    const entry = JSON.parse(line);
    if (entry.msg === 'listening') this.port = entry.port;
    if ((entry.level === 'error' || entry.level === 'fatal') && this.errors.length < keptLines) this.errors.push(entry);
  }

  get alive() {
    return this.exited === undefined;
  }

  /** Resident bytes now. */
  get rss() {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'latin1');
    return Number(/VmRSS:\s+(\d+)/.exec(status)[1]) * 1024;
  }

  get openFiles() {
    return Number(/FDSize:\s+(\d+)/.exec(readFileSync(`/proc/${this.child.pid}/status`, 'latin1'))[1]);
  }

  /** Plain HTTP/1.1: status and body, or status 0 when there is no answer. */
  get(path, timeoutMs) {
    return httpGet(this.port, path, timeoutMs);
  }

  async metrics() {
    const { status, body } = await this.get('/metrics', 10_000);
    if (status !== 200) throw new Error(`/metrics: ${status} ${body}`);
    return parseMetrics(body);
  }

  /** Sends a signal that ends it. */
  terminate(signal = 'SIGTERM') {
    this.mayEnd = true;
    this.child.kill(signal);
  }

  /** Waits for the end; `undefined` when it does not come in time. */
  async ended(timeoutMs) {
    await until(() => this.exited !== undefined, timeoutMs, 10);
    return this.exited;
  }

  async kill() {
    if (this.child === undefined || this.exited !== undefined) return;
    this.mayEnd = true;
    this.child.kill('SIGKILL');
    await this.ended(3000);
  }
}
