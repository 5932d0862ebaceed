import { createHash } from 'node:crypto';

/** First 16 hex digits of a text's SHA-256: what servers call the revision of a document. */
export function textHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
