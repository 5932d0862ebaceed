import type { ResolvedOnePortOptions } from './resolve-one-port-options.js';

/** Something of the embedder's threw where a call was served: told to `onError`, or as a process warning. */
export function reportBroken({ onError }: ResolvedOnePortOptions, error: unknown, path: string): void {
  if (onError !== null) onError(error, path);
  else process.emitWarning(`${path} threw: ${error instanceof Error ? (error.stack ?? error.message) : 'a value that is no error'}`);
}
