import { createServer } from './create-server.js';
import { readEnvironment } from './env.js';
import { createLogger } from './logger.js';

/**
 * The server as a process: runs until SIGTERM or SIGINT, then shuts down and exits. Settles when it listens.
 * @throws ServerStartError that lists what is wrong
 */
export async function runServer(source: Readonly<Record<string, string | undefined>>): Promise<void> {
  const environment = readEnvironment(source);
  const logger = createLogger(environment.text('APP_LOG_LEVEL') ?? 'INFO', environment.text('APP_NAME') ?? 'inferflow');
  const server = await createServer(environment, logger);
  const stop = (): void => {
    server.shutdown().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'shutdown failed');
        process.exit(1);
      },
    );
  };
  // Not `once`: a second signal (an impatient supervisor, npm passing Ctrl-C on to a child that got it already) would then end the process
  // at once, with requests in flight. The time to shut down is bounded as it is.
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // A defect must not end other callers' requests: it is reported, and the process goes on.
  process.on('uncaughtException', (error) => logger.error({ err: error }, 'uncaught exception'));
  process.on('unhandledRejection', (reason) => logger.error({ err: reason }, 'unhandled rejection'));
}
