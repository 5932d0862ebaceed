import { BackOff } from './back-off.js';
import type { ConfigMirror, MirrorPosition } from './config-mirror.js';
import type { ConnectEtcd } from './etcd-connection.js';
import { type EtcdFailure, toEtcdFailure } from './etcd-failure.js';
import type { ResolvedEtcdSourceOptions } from './etcd-source-options.js';
import { followChanges } from './follow-changes.js';
import { openConnection } from './open-connection.js';

/** Times that only tests change, milliseconds. @internal */
export interface SourceTiming {
  readonly firstBackOffMs: number;
  readonly longestBackOffMs: number;
  /** A connection that held this long was a good one: the next attempt comes soon. */
  readonly goodConnectionMs: number;
  /** A watch that says nothing this long although the store has moved on is dead. */
  readonly silenceMs: number;
}

/** What `readAndFollow` works on. */
export interface ReadAndFollowOptions {
  readonly source: Pick<ResolvedEtcdSourceOptions, 'endpoints' | 'watch' | 'checkIntervalMs'>;
  readonly timing: SourceTiming;
  readonly connect: ConnectEtcd;
  /** Names the source in failures that name no endpoint. */
  readonly description: string;
  readonly prefix: string;
  readonly mirror: ConfigMirror;
  /** Ends it. */
  readonly signal: AbortSignal;
  /**
   * All keys have been read into the mirror.
   * @param loss why this is not the store that was read before, null if it is
   * @param before where the mirror stood
   */
  onRead(loss: string | null, before: MirrorPosition | null): void;
  /** What was read is followed from here on, or is not to be followed. */
  onCurrent(): void;
  /** Single keys have changed in the mirror. */
  onChange(): void;
  /** A connection failed; another attempt follows. */
  onFailure(failure: EtcdFailure): void;
}

/** Reads a prefix and follows it, over one connection after the other: after any failure everything is read anew. Never rejects. */
export async function readAndFollow(options: ReadAndFollowOptions): Promise<void> {
  const { source, timing, signal } = options;
  const backOff = new BackOff(timing.firstBackOffMs, timing.longestBackOffMs);
  // Servers spread over the members.
  let endpointAt = Math.floor(Math.random() * source.endpoints.length);
  while (!signal.aborted) {
    const beganAt = performance.now();
    const { failure, nextEndpointAt } = await useConnection(options, endpointAt);
    endpointAt = nextEndpointAt;
    if (failure === null || signal.aborted) return;
    if (performance.now() - beganAt > timing.goodConnectionMs) backOff.reset();
    options.onFailure(failure);
    await wait(backOff.next(), signal);
  }
}

interface Outcome {
  /** Why it ended, null if there is nothing more to do. */
  readonly failure: EtcdFailure | null;
  readonly nextEndpointAt: number;
}

/** Reads everything and follows changes over one connection. */
async function useConnection(options: ReadAndFollowOptions, endpointAt: number): Promise<Outcome> {
  const { source, connect, description, prefix, mirror, signal, timing } = options;
  let nextEndpointAt = endpointAt + 1;
  try {
    const connection = await openConnection(source.endpoints, endpointAt, connect, prefix);
    // Stay where it works; a failure moves on.
    nextEndpointAt = source.endpoints.indexOf(connection.endpoint);
    const closeNow = (): void => connection.close();
    signal.addEventListener('abort', closeNow);
    try {
      const range = await connection.range(prefix);
      const before = mirror.position;
      options.onRead(mirror.resync(range), before);
      if (!source.watch) {
        options.onCurrent();
        return { failure: null, nextEndpointAt };
      }
      const failure = await followChanges({
        connection,
        prefix,
        mirror,
        checkIntervalMs: source.checkIntervalMs,
        silenceMs: timing.silenceMs,
        signal,
        onOpen: () => options.onCurrent(),
        onChange: () => options.onChange(),
      });
      return { failure, nextEndpointAt: nextEndpointAt + 1 };
    } finally {
      signal.removeEventListener('abort', closeNow);
      connection.close();
    }
  } catch (error) {
    return { failure: toEtcdFailure(description, error), nextEndpointAt };
  }
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    timer.unref();
    signal.addEventListener('abort', done);
  });
}
