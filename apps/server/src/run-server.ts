import cluster from 'node:cluster';
import { createServer } from './create-server.js';
import { readEnvironment } from './env.js';
import { startProblems } from './errors.js';
import { limitHeapGrowth } from './heap-growth.js';
import { createLogger } from './logger.js';
import { runWorkers, WORKER_NUMBER } from './workers/run-workers.js';
import { usableCores } from './workers/usable-cores.js';
import { processChannel, WorkerLink } from './workers/worker-link.js';

/**
 * The server as a process, or as several with `INFERFLOW_WORKERS`: runs until SIGTERM or SIGINT, then shuts down and exits. Settles when
 * it listens, or when its workers have been started.
 * @throws ServerStartError that lists what is wrong
 */
export async function runServer(source: Readonly<Record<string, string | undefined>>): Promise<void> {
  limitHeapGrowth(process.execArgv);
  const { [WORKER_NUMBER]: number, ...settings } = source;
  const environment = readEnvironment(settings);
  const baseLogger = createLogger(environment.text('APP_LOG_LEVEL') ?? 'INFO', environment.text('APP_NAME') ?? 'inferflow');
  const isWorker = cluster.isWorker && number !== undefined;
  // While it starts it ends at once. Not `once`: a second signal (an impatient supervisor, npm passing Ctrl-C on to a child that got it already)
  // would then end the process at once, with requests in flight, or before its workers. The time to shut down is bounded as it is.
  let stop: (signal: NodeJS.Signals) => void = () => process.exit(0);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal));
  if (!isWorker && environment.text('INFERFLOW_WORKERS') !== '1') {
    stop = runWorkers(workerCount(environment.text('INFERFLOW_WORKERS') as string), environment, baseLogger);
    return;
  }
  const logger = isWorker ? baseLogger.child({ worker: Number(number) }) : baseLogger;
  const link = isWorker ? new WorkerLink(processChannel(), Number(number)) : null;
  const server = await createServer(environment, logger, link).catch(async (error: unknown) => {
    const start = startProblems(error);
    if (start === null || link === null) throw error;
    // The process above says it, once for all workers.
    await link.failed(start.code, start.problems);
    process.exit(1);
  });
  stop = () => {
    server.shutdown().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'shutdown failed');
        process.exit(1);
      },
    );
  };
  // A defect must not end other callers' requests: it is reported, and the process goes on.
  process.on('uncaughtException', (error) => logger.error({ err: error }, 'uncaught exception'));
  process.on('unhandledRejection', (reason) => logger.error({ err: reason }, 'unhandled rejection'));
}

function workerCount(text: string): number {
  return text === 'auto' ? usableCores() : Number(text);
}
