import { readFile } from 'node:fs/promises';
import { NumerixError } from './errors.js';
import type { ExpressionSource } from './expression-engine.js';

/**
 * Reads a JSON file of expressions: an object of compute id → text (postfix), `{"expression": "<postfix>"}` or
 * `{"infix": "<infix>"}`. The result is what `createExpressionEngine({ expressions })` takes.
 *
 * @throws NumerixError INFERFLOW_NUMERIX_EXPRESSIONS_INVALID naming the file.
 */
export async function loadExpressions(path: string): Promise<Record<string, ExpressionSource>> {
  const fail = (message: string, cause?: unknown): never => {
    const error = new NumerixError('INFERFLOW_NUMERIX_EXPRESSIONS_INVALID', `expressions file ${path}: ${message}`);
    if (cause !== undefined) error.cause = cause;
    throw error;
  };
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    return fail('cannot be read', cause);
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    return fail(`is not JSON: ${cause instanceof Error ? cause.message : ''}`, cause);
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    return fail('expected an object of compute id → expression');
  // The members are checked one by one when an engine is made of them.
  return document as Record<string, ExpressionSource>;
}
