import type { LineStream } from '@inferflow/logging/stdout';
import pino from 'pino';
import { LogOutput } from './log-output.js';

/** What the server logs through: JSON lines, never values of a request. */
export type ServerLogger = pino.Logger;

const pinoLevels: Readonly<Record<string, string>> = {
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
  FATAL: 'fatal',
  PANIC: 'fatal',
  DISABLED: 'silent',
};

let standardOutput: LogOutput | undefined;

/** One JSON line an event on standard output; `level` is a value of `APP_LOG_LEVEL`. */
export function createLogger(level: string, service: string, destination?: pino.DestinationStream): ServerLogger {
  const options: pino.LoggerOptions = {
    level: pinoLevels[level] ?? 'info',
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  standardOutput ??= new LogOutput(1, service);
  return pino(options, destination ?? standardOutput);
}

/** Standard output for other lines than those of the log, between which they come whole. */
export function standardLines(): LineStream {
  return standardOutput ?? process.stdout;
}
