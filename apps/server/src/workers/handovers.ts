import type { Worker } from 'node:cluster';
import type { ServerLogger } from '../logger.js';

/** A connection that Node's cluster has accepted. */
interface Connection {
  close(): void;
}

/** What Node's cluster sends along its channels, as far as it counts here. */
interface ClusterMessage {
  readonly cmd?: unknown;
  readonly act?: unknown;
  readonly seq?: unknown;
  readonly ack?: unknown;
  accepted?: unknown;
}

const logIntervalMs = 10_000;
/** How long workers may go on to refuse a connection, while one that says nothing is waited for. */
const refusedForMs = 1000;

interface Refusals {
  readonly by: Set<Worker>;
  readonly since: number;
}

/**
 * Sees to it that each connection that is handed to a worker is taken or closed. Left to itself Node's cluster waits without end for the word of
 * the worker: the caller of one that died hangs, a worker that had no file descriptor for a connection gets no other, and what all
 * workers are too full for goes round without end.
 *
 * Rests on the cluster's own messages, which no documentation promises: where they are not like this, it does nothing.
 *
 * - `newconn` with a `seq` hands a connection over; `NODE_HANDLE_ACK` or `_NACK` says whether it arrived, in the order they were sent;
 * - `ack` with that `seq` says whether the worker has `accepted` it: if so the cluster closes its own, if not it asks the next, and either way
 *   the worker is free for another.
 */
export class Handovers {
  readonly #logger: ServerLogger;
  readonly #onRefused: () => void;
  readonly #listening = new Set<Worker>();
  readonly #refusals = new WeakMap<Connection, Refusals>();
  #quietUntil = 0;
  #lost = 0;

  /** @param onRefused a connection was closed since no worker could take it */
  constructor(logger: ServerLogger, onRefused: () => void) {
    this.#logger = logger;
    this.#onRefused = onRefused;
  }

  /** To be called before anything is handed to this worker. */
  watch(worker: Worker): void {
    const child = worker.process;
    const { send } = child;
    // What was never a process has no channel.
    if (typeof send !== 'function') return;
    const unanswered = new Map<unknown, Connection>();
    const onTheWay: unknown[] = [];
    let hasEnded = false;
    const handOver = (message: ClusterMessage, connection?: Connection | null, ...rest: unknown[]): unknown => {
      if (typeof connection === 'object' && connection !== null) {
        const isNew = message.cmd === 'NODE_CLUSTER' && message.act === 'newconn';
        if (isNew && hasEnded) return connection.close();
        if (isNew) unanswered.set(message.seq, connection);
        // Other handles are acknowledged as well.
        onTheWay.push(isNew ? message.seq : undefined);
      }
      return Reflect.apply(send, child, [message, connection, ...rest]);
    };
    // Every way to call it goes through.
    child.send = handOver as typeof send;
    child.prependListener('internalMessage', (message: ClusterMessage) => {
      if (message.cmd === 'NODE_HANDLE_ACK') onTheWay.shift();
      else if (message.cmd === 'NODE_HANDLE_NACK') {
        const ack = onTheWay.shift();
        if (!unanswered.has(ack)) return;
        this.#logLost();
        this.#onRefused();
        // Closes it, and the worker may take others.
        child.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack, accepted: true });
      } else if (message.cmd === 'NODE_CLUSTER' && message.act === 'close') this.#listening.delete(worker);
      else if (message.cmd === 'NODE_CLUSTER' && message.ack !== undefined) {
        const connection = unanswered.get(message.ack);
        unanswered.delete(message.ack);
        if (message.accepted !== false) return;
        // Of a worker that has ended it is closed already, and must not go to another.
        if (hasEnded) message.accepted = true;
        else if (connection !== undefined && this.#findsNoRoom(connection, worker)) {
          message.accepted = true;
          this.#onRefused();
        }
      }
    });
    worker.on('listening', () => this.#listening.add(worker));
    worker.on('exit', () => {
      hasEnded = true;
      this.#listening.delete(worker);
      for (const connection of unanswered.values()) connection.close();
      unanswered.clear();
    });
  }

  /** Whether every worker that listens has refused a connection, or for a while nobody has taken it. */
  #findsNoRoom(connection: Connection, worker: Worker): boolean {
    const now = performance.now();
    const { by, since } = this.#refusals.get(connection) ?? { by: new Set(), since: now };
    this.#refusals.set(connection, { by: by.add(worker), since });
    return now - since > refusedForMs || [...this.#listening].every((each) => by.has(each));
  }

  #logLost(): void {
    this.#lost++;
    const now = performance.now();
    if (now < this.#quietUntil) return;
    this.#logger.error({ connections: this.#lost }, 'connections were closed: a worker has no file descriptor left for them (ulimit -n)');
    this.#quietUntil = now + logIntervalMs;
    this.#lost = 0;
  }
}
