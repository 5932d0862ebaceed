import { stat } from 'node:fs/promises';
import { InputError } from './config-input.js';

/** @throws InputError if a file that is to be written is the one that is read, or the latter cannot be read */
export async function keepInput(input: string, outputs: readonly (string | undefined)[]): Promise<void> {
  const read = await stat(input).catch((cause: Error) => {
    throw new InputError(`${input} cannot be read: ${cause.message}`, { cause });
  });
  for (const output of outputs) {
    const written = output === undefined ? undefined : await stat(output).catch(() => undefined);
    if (written?.isFile() === true && written.ino === read.ino && written.dev === read.dev)
      throw new InputError(`${output} is what is read: it would be lost, so write to another file`);
  }
}
