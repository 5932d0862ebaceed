import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import { isObject } from '../option-problems.js';
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
    lookUp(this.#lookup, this.#host, (addresses) => {
      this.#isBusy = false;
      const hasFailed = typeof addresses === 'string';
      this.#nextAt = performance.now() + (hasFailed ? Math.min(failedRefreshMs, this.#refreshMs) : this.#refreshMs);
      if (hasFailed) this.#owner.resolveFailed(addresses);
      else this.#owner.resolved(this.#choose(addresses));
    });
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

/** Asks a resolver once, whatever it is: `answered` is called once and never inside, with addresses or with what went wrong. */
export function lookUp(lookup: LookupAll, host: string, answered: (addresses: readonly string[] | string) => void): void {
  let isInside = true;
  let isAnswered = false;
  const answer = (error: unknown, found: unknown): void => {
    if (isAnswered) return;
    isAnswered = true;
    const addresses = error === undefined || error === null ? addressesOf(host, found) : textOf(error);
    // Whoever asked has just started a call, which must not end inside of that.
    if (isInside) setImmediate(() => answered(addresses));
    else answered(addresses);
  };
  try {
    lookup(host, answer);
  } catch (error) {
    answer(error, null);
  }
  isInside = false;
}

/** Types do not hold in JavaScript: `dns.lookup` as it is gives one text, other resolvers a list of texts. */
function addressesOf(host: string, found: unknown): readonly string[] | string {
  const entries: readonly unknown[] = Array.isArray(found) ? found : [found];
  if (entries.length === 0 || (found ?? null) === null) return `no address for ${host}`;
  const addresses = new Set<string>();
  for (const entry of entries) {
    const address: unknown = isObject(entry) && 'address' in entry ? entry.address : null;
    if (typeof address !== 'string' || isIP(address) === 0) return `the resolver gave no list of { address } with IP addresses for ${host}`;
    addresses.add(address);
  }
  return [...addresses];
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : 'the resolver failed with a value that is no error';
}
