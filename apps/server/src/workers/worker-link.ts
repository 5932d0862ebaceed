import { Readable } from 'node:stream';
import type { Telemetry } from '@inferflow/telemetry';
import { SendWindow } from './send-window.js';
import { isOurs, type PrimaryMessage, type WorkerMessage } from './worker-messages.js';

/** The channel between a process and the one that started it, seen from below. */
export interface Channel {
  /** `sent` is called when it is on its way, or cannot be. */
  send(message: WorkerMessage, sent?: () => void): void;
  onMessage(listener: (message: unknown) => void): void;
}

/** Longest wait of a scrape for more of the metrics of all workers: less than the ten seconds after which Prometheus gives up. */
const SCRAPE_QUIET_MS = 9000;

/** Lets a scrape that reached one worker see all of them. */
export class WorkerLink {
  /** Whether this process writes what is kept over restarts: of several with the same state one is enough, the others only read it. */
  readonly keepsState: boolean;
  readonly #channel: Channel;
  readonly #quietMs: number;
  readonly #scrapes = new Map<number, { readonly parts: Readable; readonly timer: NodeJS.Timeout }>();
  #telemetry: Telemetry | null = null;
  #handingIn: { readonly ask: number; readonly window: SendWindow } | null = null;
  #asked = 0;

  /** @param number of this worker, from 1 */
  constructor(channel: Channel, number: number, quietMs = SCRAPE_QUIET_MS) {
    this.keepsState = number === 1;
    this.#channel = channel;
    this.#quietMs = quietMs;
    channel.onMessage((message) => {
      if (isOurs(message)) this.#receive(message as PrimaryMessage);
    });
  }

  /** From now on this process's metrics may be asked for. */
  serve(telemetry: Telemetry, port: number): void {
    this.#telemetry = telemetry;
    this.#channel.send({ inferflow: 'listening', port });
  }

  /** Says why this process cannot start, instead of a log line of its own. Resolves when it is said. */
  failed(code: string, problems: readonly string[]): Promise<void> {
    return new Promise((resolve) => this.#channel.send({ inferflow: 'start-failed', code, problems }, resolve));
  }

  /** The metrics of all workers in Prometheus' format. Throws if they cannot be had in time: those of this one alone would look like a reset of all counters. */
  async *metricsParts(): AsyncGenerator<string> {
    const ask = ++this.#asked;
    const parts = new Readable({ objectMode: true, read: () => {} });
    const timer = setTimeout(() => parts.destroy(new Error('the metrics of the workers take too long')), this.#quietMs);
    this.#scrapes.set(ask, { parts, timer });
    this.#channel.send({ inferflow: 'scrape', ask });
    try {
      for await (const part of parts) {
        yield part as string;
        this.#channel.send({ inferflow: 'text-taken', ask });
      }
    } finally {
      clearTimeout(timer);
      this.#scrapes.delete(ask);
      this.#channel.send({ inferflow: 'scrape-ended', ask });
    }
  }

  #receive(message: PrimaryMessage): void {
    switch (message.inferflow) {
      case 'are-you-there':
        this.#channel.send({ inferflow: 'here' });
        return;
      case 'give-metrics':
        void this.#handIn(message.ask);
        return;
      case 'metrics-taken':
        if (this.#handingIn?.ask === message.ask) this.#handingIn.window.taken();
        return;
      case 'scraped': {
        const scrape = this.#scrapes.get(message.ask);
        scrape?.timer.refresh();
        scrape?.parts.push(message.text);
        return;
      }
      case 'scrape-failed':
        this.#scrapes.get(message.ask)?.parts.destroy(new Error('the metrics of the workers could not be put together'));
        return;
    }
  }

  async #handIn(ask: number): Promise<void> {
    this.#handingIn?.window.close();
    const window = new SendWindow();
    this.#handingIn = { ask, window };
    for await (const portion of this.#telemetry?.prometheusPortions() ?? []) {
      if (!(await window.room())) return;
      this.#channel.send({ inferflow: 'metrics', ask, portion });
    }
    this.#channel.send({ inferflow: 'metrics', ask, portion: null });
  }
}

/** The channel of this process when it was started as a worker; sending to a primary that is gone is no error. */
export function processChannel(): Channel {
  return {
    send: (message, sent = () => {}) => {
      if (process.connected) process.send?.(message, undefined, {}, () => sent());
      else sent();
    },
    onMessage: (listener) => process.on('message', listener),
  };
}
