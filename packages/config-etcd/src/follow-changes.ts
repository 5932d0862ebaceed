import { setTimeout as sleep } from 'node:timers/promises';
import { type ConfigMirror, lossBetween } from './config-mirror.js';
import type { EtcdConnection, EtcdHeader, EtcdWatch, WatchHandlers } from './etcd-connection.js';
import { EtcdFailure, toEtcdFailure } from './etcd-failure.js';

/** An answer to a look at the revision takes no longer than this. */
const CHECK_TIMEOUT_MS = 2000;
/** Time between two requests for progress while waiting for an answer. */
const ASK_EVERY_MS = 500;

/** What `followChanges` works on. */
export interface FollowOptions {
  readonly connection: EtcdConnection;
  readonly prefix: string;
  /** Has been read over the same connection. */
  readonly mirror: ConfigMirror;
  readonly checkIntervalMs: number;
  /** A watch that says nothing this long although the store has moved on is dead, milliseconds. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
  /** The watch is confirmed. */
  onOpen(): void;
  /** The mirror has changed. */
  onChange(): void;
}

/**
 * Follows a prefix until the connection can no longer be trusted: keeps the mirror up to date by a watch, and holds the watch against
 * the store's own revision from time to time, since a watch can die without a word.
 * @returns why it ended; also when the signal is aborted
 */
export function followChanges(options: FollowOptions): Promise<EtcdFailure> {
  const { connection, prefix, mirror, signal, onOpen, onChange } = options;
  return new Promise((resolve) => {
    const checks = new AbortController();
    let watch: EtcdWatch | null = null;
    const end = (failure: EtcdFailure): void => {
      signal.removeEventListener('abort', stop);
      checks.abort();
      watch?.close();
      resolve(failure);
    };
    const stop = (): void => end(new EtcdFailure('other', 'closed'));
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop);
    let isHeldBack = false;
    const handlers: WatchHandlers = {
      changed(events, revision, isPartial) {
        const isChanged = mirror.apply(events, revision) || isHeldBack;
        isHeldBack = isPartial && isChanged;
        if (isChanged && !isPartial) onChange();
      },
      ended: end,
    };
    const open = async (): Promise<EtcdFailure> => {
      watch = await connection.watch(prefix, (mirror.header?.revision ?? 0) + 1, handlers);
      onOpen();
      return superviseWatch(options, watch, checks.signal);
    };
    open().then(end, (error: unknown) => end(toEtcdFailure(connection.endpoint, error)));
  });
}

async function superviseWatch(options: FollowOptions, watch: EtcdWatch, signal: AbortSignal): Promise<EtcdFailure> {
  const { connection, prefix, mirror, checkIntervalMs, silenceMs } = options;
  const revisionNow = (): number => mirror.header?.revision ?? 0;
  for (;;) {
    await sleep(checkIntervalMs * (0.8 + Math.random() * 0.4), undefined, { signal, ref: false });
    // Taken before the question: the answer may be overtaken by events.
    const since = mirror.header as EtcdHeader;
    const now = await connection.check(prefix, CHECK_TIMEOUT_MS);
    const loss = lossBetween(since, now);
    if (loss !== null) return new EtcdFailure('data-loss', `etcd at ${connection.endpoint}: ${loss}`);
    let seen = revisionNow();
    let heardAt = performance.now();
    while (seen < now.revision) {
      watch.requestProgress();
      await sleep(Math.min(ASK_EVERY_MS, checkIntervalMs), undefined, { signal, ref: false });
      if (revisionNow() > seen) heardAt = performance.now();
      seen = revisionNow();
      if (performance.now() - heardAt <= silenceMs) continue;
      const behind = `the watch stands at revision ${seen}, the store at ${now.revision}`;
      return new EtcdFailure('watch-silent', `etcd at ${connection.endpoint}: ${behind}, and the watch says nothing`);
    }
  }
}
