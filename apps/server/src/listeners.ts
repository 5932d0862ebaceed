import type { IncomingHttpHeaders } from 'node:http';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import type { Engine } from '@inferflow/engine';
import { Health } from '@inferflow/proto';
import { type Counter, Metric, type Telemetry } from '@inferflow/telemetry';
import { createOnePort, type OnePort, type OnePortOptions } from '@inferflow/transport';
import type { CallerCheck } from './auth.js';
import { boundedCompressions } from './bounded-compressions.js';
import { connectionLimit } from './connection-limit.js';
import type { Environment } from './env.js';
import { ServerStartError } from './errors.js';
import type { Readiness } from './health.js';
import { heldContext } from './held-bytes.js';
import { createHttpListener, type HttpRoutesOptions } from './http-routes.js';
import { listenerTls } from './listener-tls.js';
import type { ServerLogger } from './logger.js';
import { createRoutes } from './routes.js';
import { malformedRequest } from './rpc-refusals.js';
import { sessionEvents, warnOfResetLimit } from './session-events.js';
import { toGrpcStatus } from './to-connect-error.js';

/** What the listeners are made of. */
export interface ListenerParts {
  readonly environment: Environment;
  readonly engine: Engine;
  readonly readiness: Readiness;
  readonly telemetry: Telemetry;
  readonly callerCheck: CallerCheck | null;
  readonly logger: ServerLogger;
  readonly limits: { readonly maxMessageBytes: number; readonly maxInFlight: number };
  readonly schemas: HttpRoutesOptions['schemas'];
  readonly about: { readonly name: string; readonly version: string };
  readonly metricsParts: HttpRoutesOptions['metrics']['parts'];
  readonly reportNow: () => string;
}

/** The stock listener on `APP_PORT`; or a lean one there, and the stock one on `INFERFLOW_FULL_PORT`. */
export interface Listeners {
  /** Rejects with a ServerStartError that names the variable. */
  listen(): Promise<{ readonly port: number; readonly fullPort: number | null }>;
  readonly inFlight: number;
  drain(graceMs: number): Promise<void>;
  close(): void;
}

/** Makes the listeners that the environment asks for. */
export function createListeners(parts: ListenerParts): Listeners {
  const { environment, logger } = parts;
  const isLean = environment.boolean('INFERFLOW_LEAN_LISTENER');
  const hasFull = environment.isSet('INFERFLOW_FULL_PORT');
  if (!isLean || hasFull) warnOfResetLimit(process.versions.node, logger);
  const common = commonOptions(parts);
  if (!isLean) return new ListenerSet(environment, createOnePort(common), null);
  if (!hasFull)
    logger.warn(
      {},
      'INFERFLOW_LEAN_LISTENER is on and INFERFLOW_FULL_PORT is unset: gRPC health checks, reflection, gRPC-Web and Connect over HTTP/2 are served nowhere',
    );
  const elsewhere = hasFull
    ? 'this port serves the scoring methods over gRPC, and HTTP/1.1; everything else is on the port of INFERFLOW_FULL_PORT'
    : 'this port serves the scoring methods over gRPC, and HTTP/1.1; INFERFLOW_FULL_PORT would open a port for everything else';
  const lean = createOnePort({ ...common, http2: 'lean', elsewhere });
  return new ListenerSet(environment, lean, hasFull ? createOnePort(common) : null);
}

class ListenerSet implements Listeners {
  readonly #environment: Environment;
  readonly #main: OnePort;
  readonly #full: OnePort | null;

  constructor(environment: Environment, main: OnePort, full: OnePort | null) {
    this.#environment = environment;
    this.#main = main;
    this.#full = full;
  }

  get inFlight(): number {
    return this.#main.inFlight + (this.#full?.inFlight ?? 0);
  }

  async listen(): Promise<{ port: number; fullPort: number | null }> {
    const port = await this.#open(this.#main, 'APP_PORT');
    return { port, fullPort: this.#full === null ? null : await this.#open(this.#full, 'INFERFLOW_FULL_PORT') };
  }

  async drain(graceMs: number): Promise<void> {
    await Promise.all([this.#main.drain(graceMs), this.#full?.drain(graceMs)]);
  }

  close(): void {
    this.#main.close();
    this.#full?.close();
  }

  async #open(listener: OnePort, variable: 'APP_PORT' | 'INFERFLOW_FULL_PORT'): Promise<number> {
    const wanted = this.#environment.number(variable);
    try {
      return (await listener.listen(wanted, this.#environment.text('INFERFLOW_HOST'))).port;
    } catch (error) {
      throw new ServerStartError('LISTEN_FAILED', [`${variable}=${wanted}: ${(error as Error).message}`], { cause: error });
    }
  }
}

/** Where the types are to be had: the lean listener does not serve reflection. */
function schemaOf(environment: Environment): string {
  if (!environment.boolean('INFERFLOW_LEAN_LISTENER')) return 'gRPC reflection';
  return environment.isSet('INFERFLOW_FULL_PORT') ? 'gRPC reflection on INFERFLOW_FULL_PORT' : 'proto/ of the source';
}

function maxConnectionsOf(environment: Environment, logger: ServerLogger): number {
  const wanted = environment.number('INFERFLOW_MAX_CONNECTIONS');
  const ports = environment.boolean('INFERFLOW_LEAN_LISTENER') && environment.isSet('INFERFLOW_FULL_PORT') ? 2 : 1;
  const maxConnections = connectionLimit(wanted, ports);
  if (maxConnections < wanted)
    logger.warn(
      { maxConnections, wanted },
      'this process may not have as many files open (ulimit -n) as INFERFLOW_MAX_CONNECTIONS needs: a port takes fewer connections',
    );
  return maxConnections;
}

function commonOptions(parts: ListenerParts): OnePortOptions {
  const { environment, engine, readiness, telemetry, callerCheck, logger, limits } = parts;
  const refusals = new Map<string, Counter>();
  const refused = (reason: string) => {
    let counter = refusals.get(reason);
    if (counter === undefined) {
      counter = telemetry.counter(Metric.requestsRefused, { reason });
      refusals.set(reason, counter);
    }
    counter.add(1);
  };
  const compressions = boundedCompressions(limits.maxInFlight);
  const routes = createRoutes(engine, readiness, logger, callerCheck, {
    maxMessageBytes: limits.maxMessageBytes,
    compressions,
    onHeldBytes: () => refused('held-bytes'),
    onMalformed: () => refused('malformed'),
  });
  const listener = createHttpListener(
    {
      about: { ...parts.about, schema: schemaOf(environment) },
      readiness,
      metrics: { contentType: telemetry.contentType, parts: parts.metricsParts },
      config: parts.reportNow,
      schemas: parts.schemas,
      corsOrigins: environment.list('INFERFLOW_CORS_ORIGINS'),
      mayAdminister: (header) => callerCheck === null || callerCheck.allows(header),
    },
    (fallback) =>
      connectNodeAdapter({
        routes,
        fallback,
        contextValues: heldContext,
        readMaxBytes: limits.maxMessageBytes,
        acceptCompression: compressions,
        jsonOptions: { ignoreUnknownFields: false },
        // Each would be an object, held as long as the call: a watch of the health may bring millions.
        binaryOptions: { readUnknownFields: false },
      }),
  );
  const tls = listenerTls(environment);
  return {
    hot: engine.hotMethods(toGrpcStatus),
    listener,
    ...(tls !== undefined && { tls }),
    maxInFlight: limits.maxInFlight,
    apart: `/${Health.typeName}/`,
    maxHeldBytes: environment.number('INFERFLOW_MAX_HELD_BYTES'),
    maxConnections: maxConnectionsOf(environment, logger),
    maxConnectionAgeMs: environment.number('INFERFLOW_MAX_CONNECTION_AGE_MS'),
    onRefused: refused,
    malformed: (message) => toGrpcStatus(malformedRequest(message)),
    onError: (error, path) => logger.error({ err: error, path }, 'a request failed unexpectedly'),
    onSession: sessionEvents(telemetry, logger),
    ...(callerCheck !== null && {
      unauthorized: (headers: IncomingHttpHeaders) => (callerCheck.allows((name) => firstOf(headers[name])) ? null : unauthenticated),
    }),
  };
}

const unauthenticated = { code: 16, message: 'caller id or token is missing or wrong' } as const;

function firstOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
