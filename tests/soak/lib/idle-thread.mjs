// A thread with nothing to do, which notices how long the machine keeps it waiting.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

const resolution = 10;

export class IdleThread {
  #worker = new Worker(new URL(import.meta.url));

  /** The longest wait since the last call, milliseconds. */
  async longestMs() {
    this.#worker.postMessage(null);
    const [nanoseconds] = await new Promise((resolve) => this.#worker.once('message', (...values) => resolve(values)));
    return Math.max(0, nanoseconds / 1e6 - resolution);
  }

  stop() {
    return this.#worker.terminate();
  }
}

if (!isMainThread && parentPort !== null) {
  const delay = monitorEventLoopDelay({ resolution });
  delay.enable();
  parentPort.on('message', () => {
    parentPort.postMessage(delay.max);
    delay.reset();
  });
}
