#!/usr/bin/env node
// Listened to before anything is loaded: the kernel drops signals that the first process of a container has no listener for.
const signals = ['SIGTERM', 'SIGINT'] as const;
const end = (): never => process.exit(0);
for (const signal of signals) process.on(signal, end);
const [{ startProblems }, { createLogger }, { runServer }] = await Promise.all([
  import('./errors.js'),
  import('./logger.js'),
  import('./run-server.js'),
]);

try {
  const running = runServer(process.env);
  // It listens itself from its first step on.
  for (const signal of signals) process.off(signal, end);
  await running;
} catch (error) {
  const logger = createLogger('INFO', 'inferflow');
  const start = startProblems(error);
  if (start === null) logger.fatal({ err: error }, 'the server could not start');
  else for (const problem of start.problems) logger.fatal({ code: start.code }, problem);
  process.exit(1);
}
