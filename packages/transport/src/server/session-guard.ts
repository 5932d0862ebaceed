import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { IdleWatch } from './idle-watch.js';
import { RecentRefusal } from './recent-refusal.js';
import type { ResolvedOnePortOptions } from './resolve-one-port-options.js';

const lingerMs = 1000;
/** How long a stream that was reset here may take to end, and a quiet connection with open streams to answer a ping. */
const patienceMs = 1000;
const pingPatienceMs = 20_000;
/** How often a quiet connection is made to read, see {@link SessionGuard}. */
const lookMs = 2000;
const agedGraceMs = 60_000;
const connectionWindow = 16 * 1024 * 1024;
/** Node before 22.11 ends a session after about this many resets in a burst, whatever is configured. */
const resetBurst = 900;
/**
 * When that limit strikes, Node stops to read and does not notice that the client goes. So a connection with many resets that has
 * become quiet is asked to leave.
 */
const manyResets = 500;
const quietMs = 1000;

const [nodeMajor = 0, nodeMinor = 0] = process.versions.node.split('.').map(Number);
const hasConfigurableResetLimit = nodeMajor > 22 || (nodeMajor === 22 && nodeMinor >= 11);

const tellsOfBrokenCallers = nodeMajor >= 22;

const guardOf: unique symbol = Symbol('inferflow.session-guard');

interface GuardedSession extends ServerHttp2Session {
  [guardOf]?: SessionGuard;
}

/** Watches one HTTP/2 connection of a caller: its age, its idleness, what it leaves unread, how often it resets streams, its goodbye. */
export class SessionGuard {
  openStreams = 0;
  /** Streams reset by the client before they were answered. */
  resets = 0;
  readonly recent: RecentRefusal = new RecentRefusal();
  readonly #session: ServerHttp2Session;
  readonly #options: ResolvedOnePortOptions;
  #unsentBytes = 0;
  #ageTimer: NodeJS.Timeout | null = null;
  #leaveTimer: NodeJS.Timeout | null = null;
  #quietTimer: NodeJS.Timeout | null = null;
  #pingTimer: NodeJS.Timeout | null = null;
  #lookTimer: NodeJS.Timeout | null = null;
  #idleWatch: IdleWatch | null = null;
  #traffic = -1;
  #isLeaving = false;

  constructor(session: ServerHttp2Session, options: ResolvedOnePortOptions) {
    this.#session = session;
    this.#options = options;
    (session as GuardedSession)[guardOf] = this;
    if (!session.destroyed) session.setLocalWindowSize(connectionWindow);
    session.on('error', (error) => options.onSession?.({ kind: 'error', message: error.message }));
    session.once('close', () => this.#closed());
    if (!tellsOfBrokenCallers) {
      this.#lookTimer = setInterval(() => this.#look(), lookMs);
      this.#lookTimer.unref();
    }
    if (options.idleTimeoutMs > 0)
      this.#idleWatch = new IdleWatch(
        () => trafficOf(session),
        options.idleTimeoutMs,
        () => this.#idle(),
      );
    if (options.maxConnectionAgeMs > 0) {
      this.#ageTimer = setTimeout(() => this.#aged(), options.maxConnectionAgeMs * (0.9 + Math.random() * 0.2));
      this.#ageTimer.unref();
    }
    options.onSession?.({ kind: 'opened', protocol: 'h2' });
  }

  /** The guard of a session made by this server. */
  static of(session: ServerHttp2Session | undefined): SessionGuard | undefined {
    return (session as GuardedSession | undefined)?.[guardOf];
  }

  streamOpened(): void {
    this.openStreams++;
  }

  streamClosed(wasReset: boolean): void {
    this.openStreams--;
    if (wasReset) this.resets++;
    if (this.openStreams > 0) return;
    if (this.#isLeaving) this.#linger();
    else if (this.resets >= manyResets) this.#leaveWhenQuiet();
  }

  /** An answer was handed to the connection. False when the caller leaves too much unread: the connection is closed. */
  answerQueued(byteLength: number): boolean {
    this.#unsentBytes += byteLength;
    if (this.#unsentBytes <= this.#options.maxUnsentBytesPerConnection) return true;
    // Never from inside an HTTP/2 event; see refuseStream.
    setImmediate(() => this.#session.destroy());
    return false;
  }

  answerGone(byteLength: number): void {
    this.#unsentBytes -= byteLength;
  }

  /**
   * A stream was reset here. When a caller has broken the rules of HTTP/2, nghttp2 gives its session up, and Node, which tells nobody, reads
   * no more: no stream ends after that, not even when the caller goes. So the connection ends with the stream that does not.
   */
  streamReset(stream: ServerHttp2Stream): void {
    setTimeout(() => {
      if (!stream.destroyed) this.#session.destroy();
    }, patienceMs).unref();
  }

  /** Says goodbye: no new streams, open ones end, then the connection closes. */
  leave(): void {
    if (this.#isLeaving || this.#session.destroyed) return;
    this.#isLeaving = true;
    this.#session.goaway();
    if (this.openStreams === 0) this.#linger();
  }

  /**
   * When a caller has broken the rules of HTTP/2, nghttp2 gives its session up, and Node before 22 reads no more and tells nobody: it would not
   * notice that the caller goes either. So a quiet connection that has nothing to write reads on: bytes count for nothing then, the end does.
   */
  #look(): void {
    const traffic = trafficOf(this.#session);
    if (traffic === this.#traffic) readOn(this.#session);
    this.#traffic = traffic;
  }

  /** Calls may last long, but whoever waits for them answers a ping. */
  #idle(): void {
    if (this.openStreams === 0) this.leave();
    else if (this.#pingTimer === null && !this.#session.destroyed) {
      this.#pingTimer = setTimeout(() => this.#session.destroy(), Math.min(pingPatienceMs, this.#options.idleTimeoutMs));
      this.#pingTimer.unref();
      try {
        // One that could not be sent tells an error, too: then the timer decides.
        this.#session.ping((error) => {
          if (error === null) this.#stopPing();
        });
      } catch {
        // As above.
      }
    }
  }

  #stopPing(): void {
    if (this.#pingTimer !== null) clearTimeout(this.#pingTimer);
    this.#pingTimer = null;
  }

  #leaveWhenQuiet(): void {
    if (this.#quietTimer !== null) return;
    this.#quietTimer = setTimeout(() => {
      this.#quietTimer = null;
      if (this.openStreams === 0) this.leave();
    }, quietMs);
    this.#quietTimer.unref();
  }

  #aged(): void {
    this.#options.onSession?.({ kind: 'aged' });
    this.leave();
    if (this.#leaveTimer !== null) return;
    this.#leaveTimer = setTimeout(() => this.#session.destroy(), agedGraceMs);
    this.#leaveTimer.unref();
  }

  /**
   * Leaves it to the client to close. Closing at once could reset the connection while requests of the client are on their way, and
   * then it may never read the goodbye that tells it to repeat them elsewhere.
   */
  #linger(): void {
    if (this.#leaveTimer !== null) clearTimeout(this.#leaveTimer);
    this.#leaveTimer = setTimeout(() => this.#session.close(), lingerMs);
    this.#leaveTimer.unref();
  }

  #closed(): void {
    if (this.#lookTimer !== null) clearInterval(this.#lookTimer);
    this.#idleWatch?.close();
    if (this.#ageTimer !== null) clearTimeout(this.#ageTimer);
    if (this.#leaveTimer !== null) clearTimeout(this.#leaveTimer);
    if (this.#quietTimer !== null) clearTimeout(this.#quietTimer);
    this.#stopPing();
    if (this.resets >= resetBurst && !hasConfigurableResetLimit) this.#options.onSession?.({ kind: 'reset-limit', resets: this.resets });
    this.#options.onSession?.({ kind: 'closed', protocol: 'h2' });
  }
}

/** A session that is over has no socket, and throws when it is asked for it. */
function trafficOf(session: ServerHttp2Session): number {
  return session.destroyed ? 0 : session.socket.bytesRead + session.socket.bytesWritten;
}

/** Through the socket's handle, a field of Node's own: where it is another, nothing happens. What waits to be written may well stop reading. */
function readOn(session: ServerHttp2Session): void {
  if (session.destroyed) return;
  const handle = (session.socket as { _handle?: { writeQueueSize?: number; readStart?: () => void } | null })._handle;
  if (handle?.writeQueueSize === 0) handle.readStart?.();
}
