#!/usr/bin/env node
import { createServer } from './create-server.js';
import { readEnvironment } from './env.js';
import { ServerStartError } from './errors.js';
import { createLogger } from './logger.js';

let logger = createLogger('INFO', 'inferflow');
try {
  const environment = readEnvironment(process.env);
  logger = createLogger(environment.text('APP_LOG_LEVEL') ?? 'INFO', environment.text('APP_NAME') ?? 'inferflow');
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
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  // A defect must not end other callers' requests: it is reported, and the process goes on.
  process.on('uncaughtException', (error) => logger.error({ err: error }, 'uncaught exception'));
  process.on('unhandledRejection', (reason) => logger.error({ err: reason }, 'unhandled rejection'));
} catch (error) {
  if (error instanceof ServerStartError) {
    for (const problem of error.problems) logger.fatal({ code: error.code }, problem);
  } else if (typeof (error as { readonly code?: unknown }).code === 'string' && error instanceof Error) {
    // An error of one of our packages says in its message what is wrong; its stack would only hide it.
    logger.fatal({ code: (error as { readonly code?: unknown }).code }, error.message);
  } else {
    logger.fatal({ err: error }, 'the server could not start');
  }
  process.exit(1);
}
