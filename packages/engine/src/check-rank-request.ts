import { EngineError } from './errors.js';
import type { RankRequest } from './rank-request.js';

/** The features that a question may have; anything else is a slip of the pen that would be ignored in silence. */
const members = new Set<string>([
  'targets',
  'context',
  'types',
  'sortBy',
  'headers',
  'trackingId',
  'deadlineMs',
  'signal',
] satisfies (keyof RankRequest)[]);

/**
 * What a program without types may get wrong about a question. Texts name places, never values.
 * @throws EngineError INFERFLOW_ENGINE_OPTIONS_INVALID
 */
export function checkRankRequest(request: unknown): asserts request is RankRequest {
  if (!isObject(request)) refuse('rank needs a request, such as { targets: [{ id }] }');
  for (const name of Object.keys(request)) {
    if (!members.has(name)) refuse(`rank knows no "${name}"; it takes ${[...members].join(', ')}`);
  }
  const { targets, context, deadlineMs, signal } = request as { readonly [name in keyof RankRequest]?: unknown };
  if (!Array.isArray(targets)) refuse('targets must be a list of { id, features }');
  targets.forEach((target: unknown, index) => {
    const place = `targets[${index}]`;
    if (!isObject(target)) refuse(`${place} must be an object with an id, such as { id: '…' }`);
    if (typeof target['id'] !== 'string') refuse(`${place}.id must be a string`);
    checkFeatures(target['features'], `${place}.features`);
  });
  checkFeatures(context, 'context');
  if (deadlineMs !== undefined && !(typeof deadlineMs === 'number' && deadlineMs >= 0))
    refuse('deadlineMs must be a number of milliseconds');
  if (signal !== undefined && !(signal instanceof AbortSignal)) refuse('signal must be an AbortSignal');
}

function checkFeatures(features: unknown, place: string): void {
  if (features === undefined) return;
  if (!isObject(features)) refuse(`${place} must be an object of features by name`);
  for (const name in features) {
    const value = features[name];
    if (typeof value === 'object' ? !isList(value) : typeof value === 'function' || typeof value === 'symbol') {
      refuse(`${place} "${name}" must be a number, bigint, boolean, string or a list of them; leave it out where there is no value`);
    }
  }
}

/** null is none: a feature without a value is left out, or undefined. */
function isList(value: object | null): boolean {
  return Array.isArray(value) || ArrayBuffer.isView(value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuse(message: string): never {
  throw new EngineError('INFERFLOW_ENGINE_OPTIONS_INVALID', message);
}
