import { createHash } from 'node:crypto';
import { canonicalJson } from './json.js';
import type { ModelConfig } from './model-config.js';

/** First 16 hex digits of a text's SHA-256. */
export function contentHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** The part of a config that decides what it does: everything but id, dialect, hash and unknown fields, as canonical JSON. */
export function meaningOf(config: Omit<ModelConfig, 'hash'>): string {
  const { compat, requestValues, dependencies, order, cache, errorLoggingPercent, deadlineMs, components, response } = config;
  return canonicalJson({ compat, requestValues, dependencies, order, cache, errorLoggingPercent, deadlineMs, components, response });
}

/** True if two configs do the same, in whichever dialect they were written. */
export function sameMeaning(a: ModelConfig, b: ModelConfig): boolean {
  return a.hash === b.hash && meaningOf(a) === meaningOf(b);
}
