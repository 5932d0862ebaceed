import type { LookupAddress } from 'node:dns';
import { TransportError } from '../errors.js';
import type { ConnectionFactory, TlsOptions } from './connection.js';

/** 20 days, and 20 % more are still a time that a timer takes: what is above would be over at once. */
const longestAgeMs = 20 * 24 * 3600 * 1000;

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

/** How to reach a remote service. */
export interface UpstreamOptions {
  /** For failures, logs and metrics. */
  name: string;
  /** Host name or IP address. A name is resolved to all its addresses, which are used in turn. */
  host: string;
  port: number;
  /** TLS settings; `{}` verifies against the system's authorities. `null` or absent is plaintext. */
  tls?: TlsOptions | null;
  /** Calls started and not ended; more are refused as `overloaded`. @default 4096 */
  maxInFlight?: number;
  /** Request bytes that wait or are on their way; more are refused as `overloaded`. @default 134217728 (128 MiB) */
  maxQueuedBytes?: number;
  /** How often names are resolved again while there is traffic. @default 30000 */
  dnsRefreshMs?: number;
  /** Time for TCP, TLS and the peer's SETTINGS together. @default 2000 */
  connectTimeoutMs?: number;
  /** Connections per address; a second one is opened when the peer's stream limit is reached. @default 4 */
  maxConnectionsPerAddress?: number;
  /** Age at which a connection is left for a new one, 20 days at the most, ±20 %; calls on it end first. 0 means never. @default 0 */
  maxConnectionAgeMs?: number;
  /** First delay before an address is tried again; doubles per failure, ±20 %. @default 100 */
  backoffMs?: number;
  /** @default 10000 */
  maxBackoffMs?: number;
  /** Failures in a row after which an address is set aside. @default 5 */
  setAsideAfter?: number;
  /** How long an address is set aside the first time; doubles up to 30 s. @default 1000 */
  setAsideMs?: number;
  /** Retries per call started, on top of ten at the start; up to 200 are saved up for the loss of a connection. 0 switches retries off (calls that the peer did not process are still replayed). @default 0.1 */
  retryRatio?: number;
  /** Silence after which a connection with open calls is pinged. @default 20000 */
  keepaliveMs?: number;
  /** Time for the answer to a ping; then the connection is given up. @default 2000 */
  keepaliveTimeoutMs?: number;
  /** Resolver. @default `dns.lookup` of the system */
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
  const problems: string[] = [];
  const atLeast = (name: keyof UpstreamOptions, value: number, least: number): number => {
    if (!(value >= least)) problems.push(`${name} is ${value}, expected at least ${least}`);
    return value;
  };
  if (options.host === '') problems.push('host is empty');
  if (!Number.isInteger(options.port) || options.port < 1 || options.port > 65_535)
    problems.push(`port is ${options.port}, expected an integer from 1 to 65535`);
  const tls = options.tls ?? null;
  if (tls !== null && (tls.cert === undefined) !== (tls.key === undefined))
    problems.push('tls.cert and tls.key belong together, one is missing');
  const backoffMs = atLeast('backoffMs', options.backoffMs ?? 100, 1);
  const resolved: ResolvedUpstreamOptions = {
    name: options.name,
    host: options.host,
    port: options.port,
    tls,
    maxInFlight: atLeast('maxInFlight', options.maxInFlight ?? 4096, 1),
    maxQueuedBytes: atLeast('maxQueuedBytes', options.maxQueuedBytes ?? 128 * 1024 * 1024, 1),
    dnsRefreshMs: atLeast('dnsRefreshMs', options.dnsRefreshMs ?? 30_000, 1),
    connectTimeoutMs: atLeast('connectTimeoutMs', options.connectTimeoutMs ?? 2000, 1),
    maxConnectionsPerAddress: atLeast('maxConnectionsPerAddress', options.maxConnectionsPerAddress ?? 4, 1),
    maxConnectionAgeMs: Math.min(atLeast('maxConnectionAgeMs', options.maxConnectionAgeMs ?? 0, 0), longestAgeMs),
    backoffMs,
    maxBackoffMs: atLeast('maxBackoffMs', options.maxBackoffMs ?? Math.max(10_000, backoffMs), backoffMs),
    setAsideAfter: atLeast('setAsideAfter', options.setAsideAfter ?? 5, 1),
    setAsideMs: atLeast('setAsideMs', options.setAsideMs ?? 1000, 1),
    retryRatio: atLeast('retryRatio', options.retryRatio ?? 0.1, 0),
    keepaliveMs: atLeast('keepaliveMs', options.keepaliveMs ?? 20_000, 1),
    keepaliveTimeoutMs: atLeast('keepaliveTimeoutMs', options.keepaliveTimeoutMs ?? 2000, 1),
    lookup: options.lookup ?? null,
    onEvent: options.onEvent ?? null,
  };
  if (problems.length > 0)
    throw new TransportError('INFERFLOW_TRANSPORT_OPTIONS_INVALID', `upstream "${options.name}": ${problems.join('; ')}`);
  return resolved;
}
