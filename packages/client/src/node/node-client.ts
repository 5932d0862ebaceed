import type { Interceptor } from '@connectrpc/connect';
import { createInferflowClient, type InferflowClient } from '../client.js';
import type { InferflowClientOptions } from '../client-options.js';
import { ClientErrorCode, type Problem, problemsError } from '../errors.js';
import { createRoundRobinTransport } from './round-robin-transport.js';
import type { TlsOptions } from './tls-options.js';

/** Settings of a client that speaks gRPC to a host. */
export interface NodeClientOptions extends Omit<InferflowClientOptions, 'transport' | 'onClose'> {
  /** Name or IP address. All addresses of a name are used in turn. */
  readonly host: string;
  /** @default 8080 */
  readonly port?: number;
  /** TLS with verification: `true` for Node's defaults. @default null, plaintext */
  readonly tls?: TlsOptions | true | null;
  /** Age from which the host's addresses are looked up again, in milliseconds. @default 30000 */
  readonly dnsRefreshMs?: number;
  /** Time for opening a connection, in milliseconds; the call's own time bounds it too. @default 1000 */
  readonly connectTimeoutMs?: number;
  /** Largest answer, in bytes. @default 33554432 */
  readonly maxAnswerBytes?: number;
  /** Pause between pings that find a dead connection, in milliseconds. @default 30000 */
  readonly pingIntervalMs?: number;
  /** Around every attempt of a call, outermost first: for tracing, or to look at messages. @default [] */
  readonly interceptors?: readonly Interceptor[];
}

/**
 * Creates a client that speaks gRPC from Node. Close it when done: it holds
 * connections open. Needs the optional peer `@connectrpc/connect-node`.
 * @throws ClientError naming every wrong option
 */
export function createNodeInferflowClient(options: NodeClientOptions): InferflowClient {
  const { host, port = 8080, tls = null, dnsRefreshMs = 30_000, connectTimeoutMs = 1000, maxAnswerBytes = 32 * 1024 * 1024 } = options;
  const { pingIntervalMs = 30_000, interceptors = [] } = options;
  const problems: Problem[] = [];
  if (typeof host !== 'string' || host === '' || /[\s/]/.test(host)) {
    problems.push({ path: 'host', message: 'expected a name or an IP address, without scheme and path' });
  }
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    problems.push({ path: 'port', message: 'expected a whole number from 1 to 65535' });
  }
  for (const [path, value] of Object.entries({ dnsRefreshMs, connectTimeoutMs, maxAnswerBytes, pingIntervalMs })) {
    if (!(value > 0)) {
      problems.push({ path, message: 'expected a number, more than 0' });
    }
  }
  if (problems.length > 0) {
    throw problemsError(ClientErrorCode.optionsInvalid, 'invalid client options', problems);
  }
  const transport = createRoundRobinTransport({
    host,
    port,
    tls: tls === true ? {} : tls,
    dnsRefreshMs,
    connectTimeoutMs,
    maxAnswerBytes,
    pingIntervalMs,
    interceptors,
  });
  return createInferflowClient({ ...options, transport, onClose: () => transport.close() });
}
