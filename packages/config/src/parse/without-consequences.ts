import { isWithin } from '../json-path.js';
import type { Problem } from '../problem.js';

/** Codes of an object or list as a whole that follow where a part of it has the wrong type, and so was left out. */
const wholes: ReadonlySet<string> = new Set([
  'INFERFLOW_CONFIG_MISSING',
  'INFERFLOW_CONFIG_ROUTE_PERCENTAGES',
  'INFERFLOW_CONFIG_INVALID_VALUE',
]);

/** Problems without those that only say that a part of the wrong type was left out. */
export function withoutConsequences(found: readonly Problem[]): readonly Problem[] {
  const untyped = found.filter(({ code }) => code === 'INFERFLOW_CONFIG_WRONG_TYPE').map(({ path }) => path);
  if (untyped.length === 0) return found;
  // Names of scores and their dimensions go in pairs.
  const isAfter = (path: string): boolean => untyped.some((other) => other !== path && (isWithin(other, path) || isPaired(other, path)));
  return found.filter(({ code, path }) => !wholes.has(code) || !isAfter(path));
}

function isPaired(scores: string, dims: string): boolean {
  return /^model_scores_dims$/i.test(lastName(dims)) && isWithin(scores.toLowerCase(), dims.toLowerCase().replace(/_dims$/, ''));
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1);
}
