import type { IncomingHttpHeaders } from 'node:http';
import { TransportError } from '../errors.js';
import { GrpcCode } from '../grpc-code.js';
import type { GrpcStatus } from '../grpc-status.js';
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
  const problems: string[] = [];
  const atLeast = (name: keyof OnePortOptions, value: number, least: number): number => {
    if (!(value >= least)) problems.push(`${name} is ${value}, expected at least ${least}`);
    return value;
  };
  const hot = new Map<string, HotMethod>();
  for (const method of options.hot) {
    if (hot.has(method.path)) problems.push(`hot method ${method.path} is given twice`);
    if (!(method.maxMessageBytes >= 0))
      problems.push(`maxMessageBytes of ${method.path} is ${method.maxMessageBytes}, expected at least 0`);
    hot.set(method.path, method);
  }
  const resolved: ResolvedOnePortOptions = {
    hot,
    listener: options.listener,
    http2: options.http2 ?? 'node',
    elsewhere: options.elsewhere ?? 'over HTTP/2 this port serves its hot gRPC methods alone, everything else over HTTP/1.1',
    tls: options.tls ?? null,
    maxInFlight: atLeast('maxInFlight', options.maxInFlight, 1),
    maxColdInFlight: atLeast('maxColdInFlight', options.maxColdInFlight ?? options.maxInFlight, 1),
    maxHeldBytes: atLeast('maxHeldBytes', options.maxHeldBytes ?? 512 * 1024 * 1024, 1),
    maxUnsentBytesPerConnection: atLeast('maxUnsentBytesPerConnection', options.maxUnsentBytesPerConnection ?? 64 * 1024 * 1024, 1),
    maxConnections: atLeast('maxConnections', options.maxConnections ?? 0, 0),
    maxConcurrentStreams: atLeast('maxConcurrentStreams', options.maxConcurrentStreams ?? 1024, 1),
    maxConnectionAgeMs: Math.min(atLeast('maxConnectionAgeMs', options.maxConnectionAgeMs ?? 0, 0), longestMs),
    idleTimeoutMs: Math.min(atLeast('idleTimeoutMs', options.idleTimeoutMs ?? 600_000, 0), longestMs),
    handshakeTimeoutMs: atLeast('handshakeTimeoutMs', options.handshakeTimeoutMs ?? 10_000, 1),
    receiveTimeoutMs: atLeast('receiveTimeoutMs', options.receiveTimeoutMs ?? 30_000, 1),
    sendTimeoutMs: atLeast('sendTimeoutMs', options.sendTimeoutMs ?? 30_000, 1),
    onRefused: options.onRefused ?? null,
    onSession: options.onSession ?? null,
    onError: options.onError ?? null,
    malformed: options.malformed ?? ((message) => ({ code: GrpcCode.INVALID_ARGUMENT, message })),
    unauthorized: options.unauthorized ?? null,
  };
  if (problems.length > 0) throw new TransportError('INFERFLOW_TRANSPORT_OPTIONS_INVALID', `one-port server: ${problems.join('; ')}`);
  return resolved;
}
