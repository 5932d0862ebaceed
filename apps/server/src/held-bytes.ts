import { type ContextValues, createContextKey, createContextValues } from '@connectrpc/connect';
import { heldBytesRefusal, holdBytes } from '@inferflow/transport';
import type { NodeServerRequest } from './http-routes.js';
import { retryLaterError } from './to-connect-error.js';

const holdKey = createContextKey<(byteLength: number) => boolean>(() => true, { description: 'counts what is held for a request' });

/** Context of a request whose bytes the listener counts, until its response has closed. */
export function heldContext(request: NodeServerRequest): ContextValues {
  return createContextValues().set(holdKey, (byteLength) => holdBytes(request, byteLength));
}

/** Counts bytes of a request. Throws RESOURCE_EXHAUSTED, as the fast path has it, when the server holds as many as it may. */
export function holdRequestBytes(values: ContextValues, byteLength: number, onRefused: () => void): void {
  if (values.get(holdKey)(byteLength)) return;
  onRefused();
  throw retryLaterError(heldBytesRefusal.status);
}

/** Counts the bytes of an answer: what has been worked for is sent. */
export function holdAnswerBytes(values: ContextValues, byteLength: number): void {
  values.get(holdKey)(byteLength);
}
