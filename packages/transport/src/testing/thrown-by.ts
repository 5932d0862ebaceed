import { TransportError } from '../errors.js';

/** The error of this package that a function throws. */
export function thrownBy(run: () => unknown): TransportError {
  try {
    run();
  } catch (error) {
    if (error instanceof TransportError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
