import cluster, { type Worker as ClusterWorker } from 'node:cluster';
import type { Environment } from '../env.js';
import type { ServerLogger } from '../logger.js';
import { adoptSpills, spillDirectoryOf } from './adopt-spills.js';
import { Handovers } from './handovers.js';
import { WorkerPool, type WorkerProcess } from './worker-pool.js';

/** The number of a worker in its environment. */
export const WORKER_NUMBER = '_INFERFLOW_WORKER_NUMBER';

/**
 * Runs `count` processes on one port, and replaces those that end. They share the port, the connections of which are dealt out in turn, and
 * nothing else. What is returned stops them as they would stop on that signal, and ends this process; safe to call twice.
 */
export function runWorkers(count: number, environment: Environment, logger: ServerLogger): (signal: NodeJS.Signals) => void {
  const grace = (['INFERFLOW_DRAIN_DELAY_MS', 'INFERFLOW_SHUTDOWN_GRACE_MS', 'INFERFLOW_LOG_FLUSH_MS'] as const).reduce(
    (sum, name) => sum + environment.number(name),
    0,
  );
  // Twice the grace: requests and the engine each have it.
  const stopLimitMs = grace + environment.number('INFERFLOW_SHUTDOWN_GRACE_MS') + 5000;
  adoptSpills(environment, count, logger);
  cluster.schedulingPolicy = cluster.SCHED_RR;
  const pool = new WorkerPool({
    count,
    logger,
    stopLimitMs,
    fork: (number) => {
      const worker = cluster.fork({ ...ownPlaces(number, environment), [WORKER_NUMBER]: String(number) });
      handovers.watch(worker);
      return toWorkerProcess(worker);
    },
    onEnd: (code) => process.exit(code),
  });
  const handovers = new Handovers(logger, () => pool.connectionRefused());
  pool.start();
  logger.info({ workers: count }, 'workers start');
  return (signal) => pool.stop(signal);
}

/**
 * Two processes must not write one spill or one status file. The first keeps the place a single process has, so that its records are found.
 * The state directory is for all of them: the first writes it, see `WorkerLink.keepsState`.
 */
function ownPlaces(number: number, environment: Environment): Record<string, string> {
  if (number === 1) return {};
  const places: Record<string, string> = {};
  const spill = environment.text('INFERFLOW_LOG_SPILL_DIR');
  if (spill !== undefined) places.INFERFLOW_LOG_SPILL_DIR = spillDirectoryOf(spill, number);
  const status = environment.text('INFERFLOW_STATUS_FILE');
  if (status !== undefined) places.INFERFLOW_STATUS_FILE = `${status}.worker-${number}`;
  return places;
}

/** A process of Node's cluster as the pool sees it. */
export function toWorkerProcess(worker: ClusterWorker): WorkerProcess {
  // A channel that breaks while something is sent is followed by the exit, which is what counts.
  worker.on('error', () => {});
  return {
    pid: worker.process.pid,
    send: (message) => {
      if (worker.isConnected()) worker.process.send(message, undefined, {}, () => {});
    },
    kill: (signal) => {
      worker.process.kill(signal);
    },
    onMessage: (listener) => worker.on('message', listener),
    onExit: (listener) => {
      worker.on('exit', listener);
      // What was never a process has no exit.
      worker.on('error', (error: Error) => {
        if (worker.process.pid === undefined) listener(null, null, error);
      });
    },
  };
}
