#!/usr/bin/env node
import { startProblems } from './errors.js';
import { createLogger } from './logger.js';
import { runServer } from './run-server.js';

try {
  await runServer(process.env);
} catch (error) {
  const logger = createLogger('INFO', 'inferflow');
  const start = startProblems(error);
  if (start === null) logger.fatal({ err: error }, 'the server could not start');
  else for (const problem of start.problems) logger.fatal({ code: start.code }, problem);
  process.exit(1);
}
