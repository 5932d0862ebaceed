import { InvalidArgumentError } from 'commander';

/**
 * Reads the value of a flag that counts something.
 * @throws InvalidArgumentError
 */
export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('expected a whole number above 0');
  return value;
}
