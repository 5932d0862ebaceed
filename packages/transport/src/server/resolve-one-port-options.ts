import type { IncomingHttpHeaders } from 'node:http';
import { GrpcCode } from '../grpc-code.js';
import type { GrpcStatus } from '../grpc-status.js';
import { isObject, OptionProblems } from '../option-problems.js';
import type { OnePortListener, OnePortOptions, RefusalReason, ServerTls, SessionEvent } from './one-port-options.js';
import type { HotMethod } from './server-call.js';

/** 22 days, and 10 % more are still a time that a timer takes: what is above would be over at once. */
const longestMs = 22 * 24 * 3600 * 1000;

/** {@link OnePortOptions} with every default filled in and checked. */
export interface ResolvedOnePortOptions {
  readonly hot: ReadonlyMap<string, HotMethod>;
  readonly listener: OnePortListener;
  readonly http2: 'node' | 'lean';
  readonly elsewhere: string;
  readonly tls: ServerTls | null;
  readonly maxInFlight: number;
  readonly maxColdInFlight: number;
  readonly apart: string | null;
  readonly maxHeldBytes: number;
  readonly maxUnsentBytesPerConnection: number;
  readonly maxConnections: number;
  readonly maxConcurrentStreams: number;
  readonly maxConnectionAgeMs: number;
  readonly idleTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly receiveTimeoutMs: number;
  readonly sendTimeoutMs: number;
  readonly onRefused: ((reason: RefusalReason, path: string) => void) | null;
  readonly onSession: ((event: SessionEvent) => void) | null;
  readonly onError: ((error: unknown, path: string) => void) | null;
  readonly malformed: (message: string) => GrpcStatus;
  readonly unauthorized: ((headers: IncomingHttpHeaders) => GrpcStatus | null) | null;
}

/** Fills in defaults. Throws `INFERFLOW_TRANSPORT_OPTIONS_INVALID` with every problem at once. */
export function resolveOnePortOptions(options: OnePortOptions): ResolvedOnePortOptions {
  const problems = new OptionProblems('one-port server');
  problems.expectOptions(options, 'hot, listener and maxInFlight');
  const hot = hotMethodsOf(options.hot, problems);
  const { apart, http2, listener } = options;
  problems.expect(typeof listener === 'function', 'listener', listener, 'a function');
  problems.expect(http2 === undefined || http2 === 'node' || http2 === 'lean', 'http2', http2, '"node" or "lean"');
  problems.expect(apart === undefined || (typeof apart === 'string' && apart.startsWith('/')), 'apart', apart, 'the beginning of a path');
  for (const name of ['onRefused', 'onSession', 'onError', 'malformed', 'unauthorized'] as const)
    problems.expectFunction(name, options[name]);
  const atLeast = (name: keyof OnePortOptions, value: number, least: number) => problems.atLeast(name, value, least);
  const time = (name: keyof OnePortOptions, value: number, least: number) => Math.min(atLeast(name, value, least), longestMs);
  const maxInFlight = atLeast('maxInFlight', options.maxInFlight, 1);
  const resolved: ResolvedOnePortOptions = {
    hot,
    listener: options.listener,
    http2: options.http2 ?? 'node',
    elsewhere: options.elsewhere ?? 'over HTTP/2 this port serves its hot gRPC methods alone, everything else over HTTP/1.1',
    tls: options.tls ?? null,
    maxInFlight,
    maxColdInFlight: atLeast('maxColdInFlight', options.maxColdInFlight ?? maxInFlight, 1),
    apart: apart ?? null,
    maxHeldBytes: atLeast('maxHeldBytes', options.maxHeldBytes ?? 512 * 1024 * 1024, 1),
    maxUnsentBytesPerConnection: atLeast('maxUnsentBytesPerConnection', options.maxUnsentBytesPerConnection ?? 64 * 1024 * 1024, 1),
    maxConnections: atLeast('maxConnections', options.maxConnections ?? 0, 0),
    maxConcurrentStreams: atLeast('maxConcurrentStreams', options.maxConcurrentStreams ?? 1024, 1),
    maxConnectionAgeMs: time('maxConnectionAgeMs', options.maxConnectionAgeMs ?? 0, 0),
    idleTimeoutMs: time('idleTimeoutMs', options.idleTimeoutMs ?? 600_000, 0),
    handshakeTimeoutMs: time('handshakeTimeoutMs', options.handshakeTimeoutMs ?? 10_000, 1),
    receiveTimeoutMs: time('receiveTimeoutMs', options.receiveTimeoutMs ?? 30_000, 1),
    sendTimeoutMs: time('sendTimeoutMs', options.sendTimeoutMs ?? 30_000, 1),
    onRefused: options.onRefused ?? null,
    onSession: options.onSession ?? null,
    onError: options.onError ?? null,
    malformed: options.malformed ?? ((message) => ({ code: GrpcCode.INVALID_ARGUMENT, message })),
    unauthorized: options.unauthorized ?? null,
  };
  problems.throwIfAny();
  return resolved;
}

function hotMethodsOf(methods: readonly HotMethod[], problems: OptionProblems): ReadonlyMap<string, HotMethod> {
  const hot = new Map<string, HotMethod>();
  problems.expect(Array.isArray(methods), 'hot', methods, 'a list of methods');
  if (!Array.isArray(methods)) return hot;
  for (const [index, given] of (methods as readonly unknown[]).entries()) {
    problems.expect(isObject(given), `hot[${index}]`, given, 'an object with path, maxMessageBytes and handle');
    if (!isObject(given)) continue;
    const method = given as HotMethod;
    const isPath = typeof method.path === 'string' && method.path.startsWith('/');
    problems.expect(isPath, `path of hot[${index}]`, method.path, '/package.Service/Method');
    if (!isPath) continue;
    if (hot.has(method.path)) problems.add(`hot method ${method.path} is given twice`);
    problems.atLeast(`maxMessageBytes of ${method.path}`, method.maxMessageBytes, 0);
    problems.expect(typeof method.handle === 'function', `handle of ${method.path}`, method.handle, 'a function');
    hot.set(method.path, method);
  }
  return hot;
}
