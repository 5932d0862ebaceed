import type { Engine } from '@inferflow/engine';
import type { Telemetry } from '@inferflow/telemetry';
import type { ServerBackends } from './backends.js';
import type { Embedded } from './embedded.js';
import type { Environment } from './env.js';
import type { Readiness } from './health.js';
import type { Listeners } from './listeners.js';
import type { ServerLogger } from './logger.js';
import type { ServerLogging } from './logging.js';

/** Everything that has to be closed. */
export interface RunningServer {
  readonly environment: Environment;
  readonly readiness: Readiness;
  readonly listeners: Listeners;
  readonly engine: Engine;
  readonly logging: ServerLogging;
  readonly backends: ServerBackends;
  readonly embedded: Embedded;
  readonly telemetry: Telemetry;
  readonly logger: ServerLogger;
  readonly statusFile: { close(): Promise<void> } | null;
  readonly stopMetrics: () => void;
}

/** Not ready → drain delay → GOAWAY → requests in flight finish, bounded → inference logs delivered, bounded → upstreams and embedded services closed → last metrics sent. */
export async function shutDown(server: RunningServer): Promise<void> {
  const { environment, logger } = server;
  server.readiness.drain();
  logger.info({ inFlight: server.listeners.inFlight }, 'shutting down');
  const delayMs = environment.number('INFERFLOW_DRAIN_DELAY_MS');
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
  server.readiness.leave();
  const graceMs = environment.number('INFERFLOW_SHUTDOWN_GRACE_MS');
  await server.listeners.drain(graceMs);
  await server.engine.close(graceMs);
  await server.logging.close(environment.number('INFERFLOW_LOG_FLUSH_MS'));
  await server.backends.close(1000);
  await server.embedded.close(1000);
  await server.statusFile?.close();
  server.stopMetrics();
  server.telemetry.flush();
  await server.telemetry.close();
  logger.info({}, 'stopped');
}
