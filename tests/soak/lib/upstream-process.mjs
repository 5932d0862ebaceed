// An upstream service in a process of its own, for `kill -9`.
import { fork } from 'node:child_process';
import { join } from 'node:path';

export class UpstreamProcess {
  constructor(kind, { host = '127.0.0.1', port = 0, delayMs = 0 } = {}) {
    Object.assign(this, { kind, host, port, delayMs });
  }

  async start() {
    this.child = fork(join(import.meta.dirname, 'upstream-child.mjs'), [this.kind, this.port, this.host, this.delayMs].map(String));
    const { port } = await new Promise((resolve, reject) => {
      this.child.once('message', resolve);
      this.child.once('exit', (code) => reject(new Error(`the ${this.kind} on ${this.host}:${this.port} ended with ${code}`)));
    });
    this.child.removeAllListeners('exit');
    this.port = port;
    return this;
  }

  /** Calls answered so far. */
  calls() {
    return new Promise((resolve) => {
      this.child.once('message', ({ calls }) => resolve(calls));
      this.child.send('calls');
    });
  }

  /** SIGKILL: no goodbye to anybody. */
  async kill() {
    if (this.child === undefined || this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
  }
}

/** Starts one and kills it with the run. */
export async function startUpstream(run, kind, options) {
  const upstream = new UpstreamProcess(kind, options);
  run.defer(() => upstream.kill());
  return upstream.start();
}
