import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { adoptSpill } from '@inferflow/logging';
import type { Environment } from '../env.js';
import type { ServerLogger } from '../logger.js';
import { scoringSpillFolder } from '../scoring-logging.js';

/** Where a worker spills: the first, as a single process, in the directory itself. */
export function spillDirectoryOf(directory: string, worker: number): string {
  return worker === 1 ? directory : join(directory, `worker-${worker}`);
}

/** Takes over what workers spilled that there are no longer: those with numbers above `count`. To be called before anybody opens the directory. */
export function adoptSpills(environment: Environment, count: number, logger: ServerLogger): void {
  const directory = environment.text('INFERFLOW_LOG_SPILL_DIR');
  if (directory === undefined || environment.text('INFERFLOW_LOG_POLICY') !== 'spill') return;
  for (const name of namesIn(directory)) {
    const worker = Number(/^worker-(\d{1,3})$/.exec(name)?.[1]);
    if (!(worker > count)) continue;
    const from = join(directory, name);
    try {
      const bytes = adoptSpill(join(from, scoringSpillFolder), join(directory, scoringSpillFolder)) + adoptSpill(from, directory);
      if (existsSync(from) && readdirSync(from).length === 0) rmdirSync(from);
      if (bytes > 0) logger.info({ worker, bytes }, 'what a former worker spilled is taken over');
    } catch (error) {
      logger.error({ err: error, directory: from }, 'what a former worker spilled could not be taken over');
    }
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    // Not there yet, or not to be used: who spills says so.
    return [];
  }
}
