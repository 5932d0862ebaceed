import { type LookupAddress, lookup } from 'node:dns';
import { isIP } from 'node:net';
import type { LookupAll } from './upstream-options.js';

const mostAddresses = 64;
const failedRefreshMs = 500;

const systemLookup: LookupAll = (host, callback) =>
  lookup(host, { all: true, verbatim: true }, (error, addresses) => callback(error, addresses ?? []));

/** What a resolver reports. */
export interface ResolverOwner {
  /** Never empty. */
  resolved(addresses: readonly string[]): void;
  resolveFailed(message: string): void;
}

/** Resolves a host to its addresses, again and again while there is traffic, never on a timer: an idle process is not woken. */
export class Resolver {
  readonly #host: string;
  readonly #refreshMs: number;
  readonly #lookup: LookupAll;
  readonly #owner: ResolverOwner;
  readonly #isFixed: boolean;
  #chosen: readonly string[] = [];
  #isBusy = false;
  #nextAt = 0;

  constructor(host: string, refreshMs: number, custom: LookupAll | null, owner: ResolverOwner) {
    this.#host = host;
    this.#refreshMs = refreshMs;
    this.#lookup = custom ?? systemLookup;
    this.#owner = owner;
    this.#isFixed = isIP(host) !== 0;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Resolves if the last answer is older than the refresh time. An IP address is reported at once, inside the call. */
  refresh(now: number): void {
    if (now < this.#nextAt || this.#isBusy) return;
    if (this.#isFixed) {
      this.#nextAt = Number.POSITIVE_INFINITY;
      this.#owner.resolved([this.#host]);
      return;
    }
    this.#isBusy = true;
    let isInside = true;
    let isAnswered = false;
    const answered = (error: Error | null, found: readonly LookupAddress[] | undefined): void => {
      if (isAnswered) return;
      isAnswered = true;
      // Whoever asked has just started a call, which must not end inside of that.
      if (isInside) setImmediate(() => this.#answered(error, found ?? []));
      else this.#answered(error, found ?? []);
    };
    try {
      this.#lookup(this.#host, answered);
    } catch (error) {
      answered(error instanceof Error ? error : new Error('the resolver threw a value that is no error'), []);
    }
    isInside = false;
  }

  #answered(error: Error | null, found: readonly LookupAddress[]): void {
    this.#isBusy = false;
    const addresses = [...new Set(found.map((address) => address.address))];
    const hasFailed = (error ?? null) !== null || addresses.length === 0;
    this.#nextAt = performance.now() + (hasFailed ? Math.min(failedRefreshMs, this.#refreshMs) : this.#refreshMs);
    if (hasFailed) this.#owner.resolveFailed(error?.message ?? `no address for ${this.#host}`);
    else this.#owner.resolved(this.#choose(addresses));
  }

  /** Of more than are used, those in use stay as long as they are listed, whatever the order; others are drawn, so that processes share the load. */
  #choose(listed: readonly string[]): readonly string[] {
    if (listed.length > mostAddresses) {
      const kept = this.#chosen.filter((ip) => listed.includes(ip));
      const others = listed.filter((ip) => !kept.includes(ip)).map((ip) => ({ ip, lot: Math.random() }));
      others.sort((a, b) => a.lot - b.lot);
      this.#chosen = [...kept, ...others.map(({ ip }) => ip)].slice(0, mostAddresses);
    } else this.#chosen = listed;
    return this.#chosen;
  }

  /** An address failed: the next {@link Resolver.refresh} asks again, at most once per half second. */
  suspect(now: number): void {
    if (!this.#isFixed) this.#nextAt = Math.min(this.#nextAt, now + failedRefreshMs);
  }
}
