import type { Transport } from '@connectrpc/connect';
import type { ScopeEnd } from '../call-scope.js';
import { longestTimerMs } from '../deadline-clock.js';
import { type CallFailure, createFailure } from '../failure.js';
import { GrpcCode } from '../grpc-code.js';
import { Address, type AddressOwner } from './address.js';
import { CallLedger, type LedgerOwner } from './call-ledger.js';
import type { CallFate, Connection, ConnectionFactory } from './connection.js';
import { deliverAnswer } from './deliver.js';
import { openLeanConnection } from './lean-connection.js';
import { openNodeConnection } from './node-connection.js';
import { Resolver, type ResolverOwner } from './resolver.js';
import { lastFailure, RetryRules } from './retry-rules.js';
import { StreamTransport } from './stream-transport.js';
import type { UnaryCall, Upstream } from './unary-call.js';
import { type ResolvedUpstreamOptions, resolveUpstreamOptions, type UpstreamOptions } from './upstream-options.js';

const usedForMs = 60_000;

/** A remote service. */
export interface GrpcUpstream extends Upstream {
  readonly name: string;
  /** Calls started and not ended. */
  readonly inFlight: number;
  /** Request bytes of these calls. */
  readonly heldBytes: number;
  /** Addresses with a connection that takes calls. */
  readonly addressesUp: number;
  ready(timeoutMs: number): Promise<boolean>;
  streams(authority: string): Promise<Transport>;
}

/** A remote gRPC service: pooled HTTP/2 connections to all its addresses. Connects on the first call or `ready`. Throws `INFERFLOW_TRANSPORT_OPTIONS_INVALID`. */
export function createUpstream(options: UpstreamOptions): GrpcUpstream {
  const resolved = resolveUpstreamOptions(options);
  const factory = options.protocol === 'node' ? openNodeConnection : openLeanConnection;
  return new RemoteUpstream(resolved, options.connectionFactory ?? factory);
}

/** Picks a connection for a call, starts it again where {@link RetryRules} say so, bounds what is in flight. */
class RemoteUpstream implements GrpcUpstream, LedgerOwner, AddressOwner, ResolverOwner {
  readonly name: string;
  readonly options: ResolvedUpstreamOptions;
  readonly connectionFactory: ConnectionFactory;
  readonly #ledger: CallLedger;
  readonly #resolver: Resolver;
  readonly #rules: RetryRules;
  readonly #streams: StreamTransport;
  #addresses: Address[] = [];
  #retiring: Address[] = [];
  #cursor = 0;
  #usedAt = Number.NEGATIVE_INFINITY;
  #isClosing = false;
  #closing: Promise<void> | null = null;
  #onGone: (() => void) | null = null;
  #onReady: (() => void)[] = [];

  constructor(options: ResolvedUpstreamOptions, connectionFactory: ConnectionFactory) {
    this.name = options.name;
    this.options = options;
    this.connectionFactory = connectionFactory;
    const { maxInFlight, maxQueuedBytes, maxInLine, onEvent } = options;
    const limits = { maxInFlight, maxHeldBytes: maxQueuedBytes, maxInLine };
    this.#ledger = new CallLedger(this, options.name, limits, onEvent === null ? null : () => onEvent({ kind: 'overloaded' }));
    this.#resolver = new Resolver(options.host, options.dnsRefreshMs, options.lookup, this);
    this.#rules = new RetryRules(options.retryRatio, onEvent);
    this.#streams = new StreamTransport(options);
  }

  get inFlight(): number {
    return this.#ledger.inFlight;
  }

  get heldBytes(): number {
    return this.#ledger.heldBytes;
  }

  get addressesUp(): number {
    let count = 0;
    for (const address of this.#addresses) if (address.isUp) count++;
    return count;
  }

  get isCrowded(): boolean {
    return this.#ledger.isCrowded;
  }

  start(call: UnaryCall): void {
    if (this.#ledger.admit(call)) this.roomFor(call);
  }

  roomFor(call: UnaryCall): void {
    this.#rules.earn();
    this.#use(Math.max(call.startedAt, call.roomAt));
    this.#dispatch(call, null);
  }

  cancel(call: UnaryCall, why: ScopeEnd = 'cancelled'): void {
    if (call.upstream !== this) return;
    call.connection?.cancel(call, why === 'deadline');
    this.#ledger.end(call);
  }

  async ready(timeoutMs: number): Promise<boolean> {
    if (this.#isClosing) return false;
    this.#use(performance.now());
    for (const address of this.#addresses) address.wake();
    if (this.addressesUp > 0) return true;
    return await new Promise<boolean>((resolve) => {
      const timer = setTimeout(
        () => {
          this.#onReady = this.#onReady.filter((entry) => entry !== wake);
          resolve(false);
        },
        Math.min(timeoutMs, longestTimerMs),
      );
      const wake = () => {
        clearTimeout(timer);
        resolve(this.addressesUp > 0);
      };
      this.#onReady.push(wake);
    });
  }

  streams(authority: string): Promise<Transport> {
    return this.#streams.open(authority);
  }

  close(graceMs: number): Promise<void> {
    const whenIdle = this.#ledger.close(graceMs);
    this.#closing ??= this.#shut(whenIdle);
    return this.#closing;
  }

  async #shut(whenIdle: Promise<boolean>): Promise<void> {
    const isIdle = await whenIdle;
    this.#isClosing = true;
    this.#streams.close();
    const failure = createFailure('unavailable', GrpcCode.UNAVAILABLE, `${this.name} was closed before it answered`);
    if (!isIdle)
      for (const call of this.#ledger.calls()) {
        call.connection?.cancel(call, false);
        this.#ledger.fail(call, failure);
      }
    const all = [...this.#addresses, ...this.#retiring];
    this.#addresses = [];
    this.#retiring = all;
    for (const wake of this.#onReady.splice(0)) wake();
    for (const address of all) address.destroy(failure);
    if (this.#isGone()) return;
    await new Promise<void>((resolve) => {
      this.#onGone = resolve;
    });
  }

  get hasWaiting(): boolean {
    return this.#ledger.waiting.size > 0;
  }

  get hasSeveralAddresses(): boolean {
    return this.#addresses.length > 1;
  }

  isUsed(now: number): boolean {
    return now - this.#usedAt < usedForMs || this.hasWaiting;
  }

  resolved(ips: readonly string[]): void {
    if (this.#isClosing) return;
    const kept = this.#addresses.filter((address) => ips.includes(address.ip));
    const gone = this.#addresses.filter((address) => !ips.includes(address.ip));
    const added = ips.filter((ip) => !kept.some((address) => address.ip === ip)).map((ip) => new Address(ip, this));
    this.#addresses = [...kept, ...added];
    if (gone.length + added.length > 0) this.options.onEvent?.({ kind: 'resolved', addresses: ips.length });
    for (const address of added) address.wake();
    this.#retiring = [...this.#retiring.filter((address) => address.hasHope), ...gone];
    for (const address of gone) address.retire();
    this.hopeFaded(createFailure('unavailable', GrpcCode.UNAVAILABLE, `${this.name}: no address can be reached`));
  }

  resolveFailed(message: string): void {
    this.options.onEvent?.({ kind: 'resolve-failed', message });
    this.hopeFaded(createFailure('unavailable', GrpcCode.UNAVAILABLE, `${this.name}: ${message}`));
  }

  addressSuspect(): void {
    this.#resolver.suspect(performance.now());
  }

  roomAppeared(): void {
    if (this.#onReady.length > 0) for (const wake of this.#onReady.splice(0)) wake();
    for (let call = this.#ledger.waiting.first; call !== null; call = this.#ledger.waiting.first) {
      const connection = this.#pick(null);
      if (connection === null || !this.#startOn(connection, call)) return;
    }
  }

  hopeFaded(failure: CallFailure): void {
    if (this.#onGone !== null && this.#isGone()) {
      this.#onGone();
      this.#onGone = null;
    }
    if (this.#hasHope()) return;
    for (let call = this.#ledger.waiting.first; call !== null; call = this.#ledger.waiting.first) this.#ledger.fail(call, failure);
  }

  callSucceeded(call: UnaryCall, message: Uint8Array): void {
    if (call.upstream !== this) return;
    this.#ledger.end(call);
    deliverAnswer(call, message);
  }

  callFailed(address: Address, call: UnaryCall, failure: CallFailure, fate: CallFate, mayRetry: boolean): void {
    if (call.upstream !== this) return;
    const pauseMs = this.#isClosing ? -1 : this.#rules.pauseMs(call, failure, fate, mayRetry && !this.#ledger.isClosed);
    if (pauseMs < 0) return this.#ledger.fail(call, lastFailure(call, failure, fate));
    if (pauseMs > 0) return this.#ledger.pause(call, pauseMs, () => this.#dispatch(call, address));
    this.#ledger.markWaiting(call);
    this.#dispatch(call, address);
  }

  #use(now: number): void {
    const wasUsed = now - this.#usedAt < usedForMs;
    this.#usedAt = now;
    this.#resolver.refresh(now);
    if (!wasUsed) for (const address of this.#addresses) address.wake();
  }

  /** Starts a waiting call, leaves it waiting, or fails it at the end of the turn. */
  #dispatch(call: UnaryCall, avoid: Address | null): void {
    let connection = this.#pick(avoid);
    if (connection === null) {
      for (const address of this.#addresses) address.wake();
      connection = this.#pick(avoid);
    }
    if (connection !== null && this.#startOn(connection, call)) return;
    if (call.upstream !== this || this.#hasHope()) return;
    const detail =
      this.#addresses.length === 0
        ? 'its name could not be resolved'
        : 'no address can be reached; the next attempt waits for its back-off';
    this.#ledger.failLater(call, createFailure('unavailable', GrpcCode.UNAVAILABLE, `${this.name}: ${detail}`));
  }

  /** False when the connection turned out to be closing. What cannot be sent, as a body that throws, fails its call at the end of the turn. */
  #startOn(connection: Connection, call: UnaryCall): boolean {
    try {
      const started = connection.start(call);
      if (started === false) return false;
      if (started !== true) {
        this.#ledger.failLater(call, started);
        return true;
      }
    } catch (error) {
      const detail = error instanceof Error ? error.message : 'a value that is no error';
      this.#ledger.failLater(call, createFailure('exception', GrpcCode.INTERNAL, `the body of the call could not be written: ${detail}`));
      return true;
    }
    this.#ledger.markOpen(call);
    return true;
  }

  /** The next address in turn that has room; one that is set aside, or was just tried, only when there is no other. */
  #pick(avoid: Address | null): Connection | null {
    const addresses = this.#addresses;
    const count = addresses.length;
    if (count === 1) return addresses[0]!.pick();
    const now = performance.now();
    let fallback: Address | null = null;
    for (let i = 0; i < count; i++) {
      const address = addresses[(this.#cursor + i) % count]!;
      if (!address.isUp) continue;
      if (address === avoid || address.isSetAside(now)) {
        if (fallback === null || fallback === avoid) fallback = address;
        continue;
      }
      const connection = address.pick();
      if (connection === null) continue;
      this.#cursor = (this.#cursor + i + 1) % count;
      return connection;
    }
    return fallback === null ? null : fallback.pick();
  }

  #hasHope(): boolean {
    return this.#resolver.isBusy || this.#addresses.some((address) => address.hasHope);
  }

  #isGone(): boolean {
    return !this.#retiring.some((address) => address.hasHope);
  }
}
