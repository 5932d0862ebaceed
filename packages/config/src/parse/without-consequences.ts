import { pathsTo } from '../json-path.js';
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
  const above = new Set(untyped.flatMap((path) => [...pathsTo(path)].slice(1)));
  // Names of scores and their dimensions go in pairs.
  const scores = new Set(untyped.flatMap((path) => [...pathsTo(path.toLowerCase())]));
  const isAfter = (path: string): boolean => above.has(path) || (isDims(path) && scores.has(path.toLowerCase().replace(/_dims$/, '')));
  return found.filter(({ code, path }) => !wholes.has(code) || !isAfter(path));
}

function isDims(path: string): boolean {
  return /^model_scores_dims$/i.test(path.slice(path.lastIndexOf('.') + 1));
}
