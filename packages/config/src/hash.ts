import { createHash } from 'node:crypto';
import { canonicalJson } from './json.js';
import type { ComponentConfig, ModelConfig } from './model-config.js';
import { finish, type Steps } from './steps.js';

/** Items of a list that are written without a pause. */
const ITEMS_PER_STEP = 1000;

/** Settings that came after the first release, where they say nothing: a hash stays what it was over releases. */
const newerDefaults: Readonly<Record<string, unknown>> = { coalesceWaitMs: 0 };

/** First 16 hex digits of a text's SHA-256. */
export function contentHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** The part of a config that decides what it does: everything but id, dialect, hash and unknown fields, as canonical JSON. */
export function meaningOf(config: Omit<ModelConfig, 'hash'>): string {
  return [...finish(meaningSteps(config))].join('');
}

/** Content hash of what {@link meaningOf} gives, in portions. */
export function* meaningHashSteps(config: Omit<ModelConfig, 'hash'>): Steps<string> {
  const hash = createHash('sha256');
  for (const part of yield* meaningSteps(config)) hash.update(part);
  return hash.digest('hex').slice(0, 16);
}

function* meaningSteps(config: Omit<ModelConfig, 'hash'>): Steps<readonly string[]> {
  const { compat, requestValues, dependencies, order, cache, errorLoggingPercent, deadlineMs, components, response } = config;
  // Keys in the order in which canonical JSON has them; only components are large enough to be taken one by one.
  const parts = [`{"cache":${canonicalJson(cache)},"compat":${compat},"components":[`];
  for (const [index, component] of components.entries()) {
    if (index > 0) parts.push(',');
    yield* addComponent(parts, component);
    yield;
  }
  const rest = canonicalJson({ deadlineMs, dependencies, errorLoggingPercent, order, requestValues, response });
  parts.push(`],${rest.slice(1)}`);
  return parts;
}

/** A component as canonical JSON; long lists, such as thousands of columns, in portions. */
function* addComponent(parts: string[], component: ComponentConfig): Steps<void> {
  const members = Object.entries(component)
    .filter(([key, member]) => member !== undefined && member !== newerDefaults[key])
    // What a service has to have and does not use has no meaning.
    .map(([key, member]) => [key, key === 'componentId' && component.kind === 'predator' ? '' : member] as const)
    .sort(([left], [right]) => (left < right ? -1 : 1));
  for (const [index, [key, member]] of members.entries()) {
    parts.push(`${index === 0 ? '{' : ','}${JSON.stringify(key)}:`);
    if (!Array.isArray(member) || member.length <= ITEMS_PER_STEP) {
      parts.push(canonicalJson(member));
      continue;
    }
    for (let at = 0; at < member.length; at += ITEMS_PER_STEP) {
      const items = canonicalJson(member.slice(at, at + ITEMS_PER_STEP));
      parts.push(`${at === 0 ? '[' : ','}${items.slice(1, -1)}`);
      yield;
    }
    parts.push(']');
  }
  parts.push('}');
}

/** True if two configs do the same, in whichever dialect they were written. */
export function sameMeaning(a: ModelConfig, b: ModelConfig): boolean {
  return a.hash === b.hash && meaningOf(a) === meaningOf(b);
}
