import type { CallFailure } from '../failure.js';
import { GrpcCode } from '../grpc-code.js';
import { CallFate, type Connection, type ConnectionFactory, type ConnectionOwner, type ConnectionTarget } from './connection.js';
import type { UnaryCall } from './unary-call.js';
import type { ResolvedUpstreamOptions } from './upstream-options.js';

const mostSetAsideMs = 30_000;
const quickGoodbyeMs = 1000;
const mostQuickGoodbyes = 5;

/** What an address tells its upstream. */
export interface AddressOwner {
  readonly options: ResolvedUpstreamOptions;
  readonly connectionFactory: ConnectionFactory;
  /** Calls wait for a place. */
  readonly hasWaiting: boolean;
  /** Calls find others while one address is down. */
  readonly hasSeveralAddresses: boolean;
  /** False after a minute without calls: then a lost connection is not opened again until the next call. */
  isUsed(now: number): boolean;
  /** More calls may fit somewhere. */
  roomAppeared(): void;
  /** Fewer places are left; when none is, waiting calls must not wait. */
  hopeFaded(failure: CallFailure): void;
  addressSuspect(): void;
  callSucceeded(call: UnaryCall, message: Uint8Array): void;
  callFailed(address: Address, call: UnaryCall, failure: CallFailure, fate: CallFate, mayRetry: boolean): void;
}

/** One IP address of an upstream: its connections, its record of failures, when it may be tried again. */
export class Address implements ConnectionOwner {
  readonly ip: string;
  readonly connections: Connection[] = [];
  readonly #owner: AddressOwner;
  readonly #target: ConnectionTarget;
  readonly #draining = new Set<Connection>();
  /** Connections that were told of as connected: each is told of once more when it is gone. */
  readonly #told = new Set<Connection>();
  readonly #ageTimers = new Map<Connection, NodeJS.Timeout>();
  /** Failures in a row, of connecting as well as of calls. */
  #failures = 0;
  /** Connections in a row that failed or were lost before a call on them succeeded. */
  #connectFailures = 0;
  #setAsideUntil = 0;
  #setAsideLevel = 0;
  #retryTimer: NodeJS.Timeout | null = null;
  #connecting = 0;
  #openedAt = 0;
  #quickGoodbyes = 0;
  /** Further connections in a row, beside one that is up, that failed or were lost at once. */
  #extraFailures = 0;
  /** While it runs no further connection is tried. */
  #extraTimer: NodeJS.Timeout | null = null;
  #isRetired = false;

  constructor(ip: string, owner: AddressOwner) {
    this.ip = ip;
    this.#owner = owner;
    const { port, tls, host, connectTimeoutMs, keepaliveMs, keepaliveTimeoutMs } = owner.options;
    this.#target = { ip, port, tls, host, connectTimeoutMs, keepaliveMs, keepaliveTimeoutMs };
  }

  get #name(): string {
    return `${this.ip}:${this.#target.port}`;
  }

  /** Something will be reported: a connection is up, on its way up or on its way down. */
  get hasHope(): boolean {
    return this.connections.length > 0;
  }

  /** Some connection takes calls now or when a call on it ends. */
  get isUp(): boolean {
    for (const connection of this.connections) if (connection.isReady) return true;
    return false;
  }

  /** Failed too often lately: to be used only when no other address is left. */
  isSetAside(now: number): boolean {
    return this.#setAsideUntil > now;
  }

  /** A connection with room; opens another one when the peer's stream limit is reached and that is allowed. */
  pick(): Connection | null {
    let isFull = false;
    for (const connection of this.connections) {
      if (!connection.isReady) continue;
      if (connection.openStreams < connection.maxStreams) return connection;
      isFull = true;
    }
    const mayOpen = isFull && this.#connecting === 0 && this.#extraTimer === null;
    if (mayOpen && this.connections.length < this.#owner.options.maxConnectionsPerAddress) this.#open();
    return null;
  }

  /** Connects unless it is connected, connecting or told to wait. */
  wake(): void {
    if (this.#isRetired || this.#connecting > 0 || this.#retryTimer !== null || this.isUp) return;
    this.#open();
  }

  /** The name no longer resolves to this address, or the upstream closes: open calls end, nothing new comes. */
  retire(): void {
    this.#isRetired = true;
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    if (this.#extraTimer !== null) clearTimeout(this.#extraTimer);
    this.#extraTimer = null;
    for (const connection of [...this.connections]) connection.drain();
  }

  /** Closes at once. */
  destroy(failure: CallFailure): void {
    this.retire();
    for (const connection of [...this.connections]) connection.destroy(failure);
  }

  connectionReady(connection: Connection): void {
    this.#connecting--;
    this.#extraFailures = 0;
    this.#limitAge(connection);
    this.#told.add(connection);
    this.#owner.options.onEvent?.({ kind: 'connected', address: this.#name });
    this.#owner.roomAppeared();
  }

  connectionFreed(_connection: Connection): void {
    this.#owner.roomAppeared();
  }

  connectionDraining(connection: Connection): void {
    const now = performance.now();
    this.#draining.add(connection);
    if (now - this.#openedAt < quickGoodbyeMs) {
      if (this.isUp) this.#putOffExtra();
      else this.#quickGoodbyes++;
    }
    // A peer that says goodbye again and again right after the greeting is treated as one that cannot be reached.
    if (this.#quickGoodbyes >= mostQuickGoodbyes) this.#connectFailures++;
    // An idle connection is replaced when the next call comes, unless that would go to another address, and so would all others. One whose last
    // calls have just ended may have others waiting for their places.
    if (connection.openStreams > 0 || this.#owner.hasWaiting || this.#owner.hasSeveralAddresses) this.#reconnect(now, true);
  }

  connectionClosed(connection: Connection, failure: CallFailure, wasReady: boolean): void {
    const now = performance.now();
    const hadGoodbye = this.#draining.delete(connection);
    this.#forgetAge(connection);
    this.connections.splice(this.connections.indexOf(connection), 1);
    if (!wasReady) this.#connecting--;
    if (this.#isRetired) {
      this.#tellDisconnected(connection, failure);
      this.#owner.hopeFaded(failure);
      return;
    }
    if (!wasReady && this.isUp) {
      // The address is well, it only takes no more connections.
      const retryInMs = this.#putOffExtra();
      this.#owner.options.onEvent?.({ kind: 'connect-failed', address: this.#name, message: failure.message, retryInMs });
      return;
    }
    if (!hadGoodbye) {
      this.#connectFailures++;
      this.#countFailure(now);
    }
    this.#owner.addressSuspect();
    const retryInMs = hadGoodbye && !this.#owner.hasWaiting ? 0 : this.#reconnect(now, wasReady);
    if (wasReady) this.#tellDisconnected(connection, failure);
    else this.#owner.options.onEvent?.({ kind: 'connect-failed', address: this.#name, message: failure.message, retryInMs });
    this.#owner.hopeFaded(failure);
  }

  callSucceeded(_connection: Connection, call: UnaryCall, message: Uint8Array): void {
    if (this.#failures > 0 || this.#quickGoodbyes > 0) this.#recover();
    this.#owner.callSucceeded(call, message);
  }

  callFailed(connection: Connection, call: UnaryCall, failure: CallFailure, fate: CallFate, mayRetry: boolean): void {
    // A lost connection counts once, when it closes, not once per call on it.
    const hasFailed = fate === CallFate.ANSWERED ? failure.code === GrpcCode.UNAVAILABLE : fate === CallFate.LOST && connection.isReady;
    if (hasFailed) this.#countFailure(performance.now());
    else if (fate === CallFate.ANSWERED && this.#failures > 0) this.#recover();
    this.#owner.callFailed(this, call, failure, fate, mayRetry);
  }

  callUnheard(_connection: Connection): void {
    this.#countFailure(performance.now());
  }

  #tellDisconnected(connection: Connection, { message }: CallFailure): void {
    if (!this.#told.delete(connection)) return;
    this.#owner.options.onEvent?.({ kind: 'disconnected', address: this.#name, message, isRetired: this.#isRetired });
  }

  /** A connection that lives for ever never sees new instances behind a load balancer. */
  #limitAge(connection: Connection): void {
    const { maxConnectionAgeMs } = this.#owner.options;
    if (maxConnectionAgeMs === 0) return;
    const timer = setTimeout(() => connection.drain(), jitter(maxConnectionAgeMs));
    timer.unref();
    this.#ageTimers.set(connection, timer);
  }

  /** A timer that is left would keep a lost connection, and what it reads into, until the age has passed. */
  #forgetAge(connection: Connection): void {
    clearTimeout(this.#ageTimers.get(connection));
    this.#ageTimers.delete(connection);
  }

  #open(): void {
    this.#connecting++;
    this.#openedAt = performance.now();
    this.connections.push(this.#owner.connectionFactory(this.#target, this));
  }

  /** Opens the next connection now, later or (out of use) not at all. Returns the delay. */
  #reconnect(now: number, wasReady: boolean): number {
    if (this.#isRetired || this.#connecting > 0 || this.#retryTimer !== null || this.isUp || !this.#owner.isUsed(now)) return 0;
    const { backoffMs, maxBackoffMs } = this.#owner.options;
    // The first loss is followed at once: most often the peer was restarted or the connection aged.
    const isFirstLoss = wasReady && this.#connectFailures <= 1;
    const delayMs = isFirstLoss
      ? 0
      : Math.max(jitter(Math.min(backoffMs * 2 ** (this.#connectFailures - 1), maxBackoffMs)), this.#setAsideUntil - now);
    if (delayMs === 0) {
      this.#open();
      return 0;
    }
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = null;
      if (this.#owner.isUsed(performance.now())) this.wake();
    }, delayMs);
    this.#retryTimer.unref();
    return delayMs;
  }

  /** No further connection for a while, ever longer. Returns for how long. */
  #putOffExtra(): number {
    if (this.#isRetired || this.#extraTimer !== null) return 0;
    const { backoffMs, maxBackoffMs } = this.#owner.options;
    const forMs = jitter(Math.min(backoffMs * 2 ** this.#extraFailures++, maxBackoffMs));
    this.#extraTimer = setTimeout(() => {
      this.#extraTimer = null;
      if (this.#owner.hasWaiting) this.#owner.roomAppeared();
    }, forMs);
    this.#extraTimer.unref();
    return forMs;
  }

  #countFailure(now: number): void {
    const { setAsideAfter, setAsideMs, onEvent } = this.#owner.options;
    this.#failures++;
    if (this.#failures < setAsideAfter || this.#setAsideUntil > now) return;
    const forMs = jitter(Math.min(setAsideMs * 2 ** this.#setAsideLevel, mostSetAsideMs));
    this.#setAsideLevel++;
    this.#setAsideUntil = now + forMs;
    onEvent?.({ kind: 'set-aside', address: this.#name, forMs });
  }

  #recover(): void {
    const wasSetAside = this.#setAsideLevel > 0;
    this.#failures = 0;
    this.#connectFailures = 0;
    this.#quickGoodbyes = 0;
    this.#setAsideUntil = 0;
    this.#setAsideLevel = 0;
    if (wasSetAside) this.#owner.options.onEvent?.({ kind: 'restored', address: this.#name });
  }
}

/** ±20 %, so that a fleet does not knock at the same instant. */
function jitter(ms: number): number {
  return ms * (0.8 + Math.random() * 0.4);
}
