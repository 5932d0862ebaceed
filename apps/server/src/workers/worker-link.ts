import type { Telemetry } from '@inferflow/telemetry';
import { isOurs, type PrimaryMessage, type WorkerMessage } from './worker-messages.js';

/** The channel between a process and the one that started it, seen from below. */
export interface Channel {
  send(message: WorkerMessage): void;
  onMessage(listener: (message: unknown) => void): void;
}

/** Milliseconds a scrape waits for the metrics of all workers; then it is answered with those of this one. */
const SCRAPE_LIMIT_MS = 4000;
/** A text is handed on in parts of this size, as fast as the scraper takes them. */
const PART_CHARACTERS = 64 * 1024;

/** Lets a scrape that reached one worker see all of them. */
export class WorkerLink {
  /** Whether this process writes what is kept over restarts: of several with the same state one is enough, the others only read it. */
  readonly keepsState: boolean;
  readonly #channel: Channel;
  readonly #scrapes = new Map<number, (text: string | null) => void>();
  #telemetry: Telemetry | null = null;
  #asked = 0;

  /** @param number of this worker, from 1 */
  constructor(channel: Channel, number: number) {
    this.keepsState = number === 1;
    this.#channel = channel;
    channel.onMessage((message) => {
      if (isOurs(message)) this.#receive(message as PrimaryMessage);
    });
  }

  /** From now on this process's metrics may be asked for. */
  serve(telemetry: Telemetry, port: number): void {
    this.#telemetry = telemetry;
    this.#channel.send({ inferflow: 'listening', port });
  }

  /** Says why this process cannot start. */
  failed(code: string, problems: readonly string[]): void {
    this.#channel.send({ inferflow: 'start-failed', code, problems });
  }

  /** The metrics of all workers in Prometheus' format; of this one alone if the others cannot be had in time. */
  async *metricsParts(telemetry: Telemetry): AsyncGenerator<string> {
    const text = await this.#metricsOfAll();
    if (text === null) yield* telemetry.prometheusParts();
    else for (let at = 0; at < text.length; at += PART_CHARACTERS) yield text.slice(at, at + PART_CHARACTERS);
  }

  async #metricsOfAll(): Promise<string | null> {
    const ask = ++this.#asked;
    let timer: NodeJS.Timeout | undefined;
    const text = await new Promise<string | null>((resolve) => {
      timer = setTimeout(() => resolve(null), SCRAPE_LIMIT_MS);
      this.#scrapes.set(ask, resolve);
      this.#channel.send({ inferflow: 'scrape', ask });
    });
    clearTimeout(timer);
    this.#scrapes.delete(ask);
    return text;
  }

  #receive(message: PrimaryMessage): void {
    if (message.inferflow === 'scraped') {
      this.#scrapes.get(message.ask)?.(message.text);
      return;
    }
    const telemetry = this.#telemetry;
    if (message.inferflow !== 'give-metrics' || telemetry === null) return;
    telemetry.prometheusFamilies().then(
      (families) => this.#channel.send({ inferflow: 'metrics', ask: message.ask, families }),
      () => this.#channel.send({ inferflow: 'metrics', ask: message.ask, families: [] }),
    );
  }
}

/** The channel of this process when it was started as a worker; sending to a primary that is gone is no error. */
export function processChannel(): Channel {
  return {
    send: (message) => {
      if (process.connected) process.send?.(message, undefined, {}, () => {});
    },
    onMessage: (listener) => process.on('message', listener),
  };
}
