import { EtcdFailure, EtcdSourceError, EtcdWriteError } from '@inferflow/config-etcd';
import { type CommandIo, ExitCode } from '../command-io.js';
import { InputError } from '../config-input.js';

/** Runs a command's work; what can go wrong with its input or with etcd becomes a line and an exit status. */
export async function reportFailures(name: string, io: CommandIo, work: () => Promise<number>): Promise<void> {
  try {
    io.exitWith(await work());
  } catch (error) {
    const code = exitCodeOf(error);
    if (code === undefined) throw error;
    io.error(`inferflow ${name}: ${(error as Error).message}\n`);
    io.exitWith(code);
  }
}

function exitCodeOf(error: unknown): number | undefined {
  if (error instanceof InputError || error instanceof EtcdSourceError) return ExitCode.usage;
  if (error instanceof EtcdFailure) return ExitCode.unavailable;
  if (!(error instanceof EtcdWriteError)) return undefined;
  return error.code === 'INFERFLOW_ETCD_LOST_RACE' ? ExitCode.lostRace : ExitCode.refused;
}
