#!/usr/bin/env node
import { ServerStartError } from './errors.js';
import { limitHeapGrowth } from './heap-growth.js';
import { createLogger } from './logger.js';
import { runServer } from './run-server.js';

limitHeapGrowth(process.execArgv);
try {
  await runServer(process.env);
} catch (error) {
  const logger = createLogger('INFO', 'inferflow');
  if (error instanceof ServerStartError) {
    for (const problem of error.problems) logger.fatal({ code: error.code }, problem);
  } else {
    logger.fatal({ err: error }, 'the server could not start');
  }
  process.exit(1);
}
