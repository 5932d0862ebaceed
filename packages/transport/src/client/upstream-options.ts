import type { LookupAddress } from 'node:dns';
import { createSecureContext } from 'node:tls';
import { isObject, OptionProblems } from '../option-problems.js';
import type { ConnectionFactory, TlsOptions } from './connection.js';

/** 20 days, and 20 % more are still a time that a timer takes: what is above would be over at once. */
const longestMs = 20 * 24 * 3600 * 1000;

/** What happens to an upstream, for counters and logs. Rare events only: nothing here is per call except retries. */
export type UpstreamEvent =
  | { readonly kind: 'resolved'; readonly addresses: number }
  | { readonly kind: 'resolve-failed'; readonly message: string }
  | { readonly kind: 'connected'; readonly address: string }
  | { readonly kind: 'connect-failed'; readonly address: string; readonly message: string; readonly retryInMs: number }
  /** Follows every `connected` once. `isRetired`: on purpose, the name does not resolve to the address any more or the upstream closes. */
  | { readonly kind: 'disconnected'; readonly address: string; readonly message: string; readonly isRetired: boolean }
  | { readonly kind: 'set-aside'; readonly address: string; readonly forMs: number }
  | { readonly kind: 'restored'; readonly address: string }
  | { readonly kind: 'retry'; readonly wasProcessed: boolean }
  | { readonly kind: 'retry-refused' }
  | { readonly kind: 'overloaded' };

/** Addresses of a host, as `dns.lookup` with `all: true` gives them. */
export type LookupAll = (host: string, callback: (error: Error | null, addresses: readonly LookupAddress[]) => void) => void;

/** How to reach a remote service. Times of more than 20 days, `Infinity` too, count as 20 days. */
export interface UpstreamOptions {
  /** For failures, logs and metrics. */
  name: string;
  /** Host name or IP address. A name is resolved to its addresses, used in turn: all, or 64 that are kept while they are listed. */
  host: string;
  port: number;
  /** TLS settings; `{}` verifies against the system's authorities. `null` or absent is plaintext. */
  tls?: TlsOptions | null;
  /** Calls that wait for a connection or are on their way; more stand in line if they are patient, else they are refused as `overloaded`. @default 4096 */
  maxInFlight?: number;
  /** Request bytes of these calls; with more, calls stand in line or are refused. What those in line hold themselves is bounded by as many again. @default 134217728 (128 MiB) */
  maxQueuedBytes?: number;
  /** Calls that stand in line for room; more are refused as `overloaded`. @default 65536 */
  maxInLine?: number;
  /** How often names are resolved again while there is traffic. @default 30000 */
  dnsRefreshMs?: number;
  /** Time for TCP, TLS and the peer's SETTINGS together; what of it this process was at work is granted once more. @default 2000 */
  connectTimeoutMs?: number;
  /** Connections per address; a second one is opened when the peer's stream limit is reached. @default 4 */
  maxConnectionsPerAddress?: number;
  /** Age at which a connection is left for a new one, ±20 %; calls on it end first. 0 means never. @default 0 */
  maxConnectionAgeMs?: number;
  /** First delay before an address, or a further connection to one, is tried again; doubles per failure, ±20 %. @default 100 */
  backoffMs?: number;
  /** The longest delay between two tries; not below `backoffMs`. @default 10000 */
  maxBackoffMs?: number;
  /** Failures in a row after which an address is set aside. @default 5 */
  setAsideAfter?: number;
  /** How long an address is set aside the first time; doubles up to 30 s. @default 1000 */
  setAsideMs?: number;
  /** Retries per call started, on top of ten at the start; up to 200 are saved up for the loss of a connection. 0 switches retries off (calls that the peer did not process are still replayed). @default 0.1 */
  retryRatio?: number;
  /** Silence after which a connection with open calls is pinged. @default 20000 */
  keepaliveMs?: number;
  /** Time for the answer to a ping, our own work as for `connectTimeoutMs`; then the connection is given up unless calls were answered. @default 2000 */
  keepaliveTimeoutMs?: number;
  /** Resolver; may answer at once, and one that throws has failed. @default `dns.lookup` of the system */
  lookup?: LookupAll;
  /** `lean` is HTTP/2 written for these calls; `node` goes through `node:http2`, at many times the CPU. @default 'lean' */
  protocol?: 'lean' | 'node';
  /** Told of what happens. Must not throw. */
  onEvent?: (event: UpstreamEvent) => void;
  /** @internal Another kind of connection. */
  connectionFactory?: ConnectionFactory;
}

/** {@link UpstreamOptions} with every default filled in and checked. */
export interface ResolvedUpstreamOptions {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly tls: TlsOptions | null;
  readonly maxInFlight: number;
  readonly maxQueuedBytes: number;
  readonly maxInLine: number;
  readonly dnsRefreshMs: number;
  readonly connectTimeoutMs: number;
  readonly maxConnectionsPerAddress: number;
  readonly maxConnectionAgeMs: number;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  readonly setAsideAfter: number;
  readonly setAsideMs: number;
  readonly retryRatio: number;
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly lookup: LookupAll | null;
  readonly onEvent: ((event: UpstreamEvent) => void) | null;
}

/** Fills in defaults. Throws `INFERFLOW_TRANSPORT_OPTIONS_INVALID` with every problem at once. */
export function resolveUpstreamOptions(options: UpstreamOptions): ResolvedUpstreamOptions {
  const name: unknown = options?.name;
  const isNamed = typeof name === 'string' && name !== '';
  const problems = new OptionProblems(isNamed ? `upstream "${name}"` : 'upstream');
  problems.expectOptions(options, 'name, host and port');
  problems.expect(isNamed, 'name', name, 'a text for failures and logs');
  checkPeer(options, problems);
  const { protocol } = options;
  problems.expect(protocol === undefined || protocol === 'lean' || protocol === 'node', 'protocol', protocol, '"lean" or "node"');
  for (const name of ['lookup', 'onEvent', 'connectionFactory'] as const) problems.expectFunction(name, options[name]);
  const atLeast = (name: keyof UpstreamOptions, value: number, least: number) => problems.atLeast(name, value, least);
  const time = (name: keyof UpstreamOptions, value: number, least: number) => Math.min(atLeast(name, value, least), longestMs);
  const backoffMs = time('backoffMs', options.backoffMs ?? 100, 1);
  const resolved: ResolvedUpstreamOptions = {
    name: options.name,
    host: options.host,
    port: options.port,
    tls: options.tls ?? null,
    maxInFlight: atLeast('maxInFlight', options.maxInFlight ?? 4096, 1),
    maxQueuedBytes: atLeast('maxQueuedBytes', options.maxQueuedBytes ?? 128 * 1024 * 1024, 1),
    maxInLine: atLeast('maxInLine', options.maxInLine ?? 65_536, 0),
    dnsRefreshMs: time('dnsRefreshMs', options.dnsRefreshMs ?? 30_000, 1),
    connectTimeoutMs: time('connectTimeoutMs', options.connectTimeoutMs ?? 2000, 1),
    maxConnectionsPerAddress: atLeast('maxConnectionsPerAddress', options.maxConnectionsPerAddress ?? 4, 1),
    maxConnectionAgeMs: time('maxConnectionAgeMs', options.maxConnectionAgeMs ?? 0, 0),
    backoffMs,
    maxBackoffMs: time('maxBackoffMs', options.maxBackoffMs ?? Math.max(10_000, backoffMs), backoffMs),
    setAsideAfter: atLeast('setAsideAfter', options.setAsideAfter ?? 5, 1),
    setAsideMs: time('setAsideMs', options.setAsideMs ?? 1000, 1),
    retryRatio: atLeast('retryRatio', options.retryRatio ?? 0.1, 0),
    keepaliveMs: time('keepaliveMs', options.keepaliveMs ?? 20_000, 1),
    keepaliveTimeoutMs: time('keepaliveTimeoutMs', options.keepaliveTimeoutMs ?? 2000, 1),
    lookup: options.lookup ?? null,
    onEvent: options.onEvent ?? null,
  };
  problems.throwIfAny();
  return resolved;
}

function checkPeer({ host, port, tls }: UpstreamOptions, problems: OptionProblems): void {
  problems.expect(typeof host === 'string' && host !== '', 'host', host, 'a host name or an IP address');
  problems.expect(Number.isInteger(port) && port >= 1 && port <= 65_535, 'port', port, 'an integer from 1 to 65535');
  if (tls === undefined || tls === null) return;
  problems.expect(isObject(tls), 'tls', tls, 'TLS settings, or null for plaintext');
  const { servername } = tls;
  problems.expect((servername ?? null) === null || typeof servername === 'string', 'tls.servername', servername, 'a host name');
  if ((tls.cert === undefined) !== (tls.key === undefined)) problems.add('tls.cert and tls.key belong together, one is missing');
  try {
    createSecureContext({ ...(tls.ca && { ca: tls.ca }), ...(tls.cert && { cert: tls.cert }), ...(tls.key && { key: tls.key }) });
  } catch (error) {
    // Else the first connection would find out.
    problems.add(`tls has a certificate or key that cannot be used: ${(error as Error).message}`);
  }
}
