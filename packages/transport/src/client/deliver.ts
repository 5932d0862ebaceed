import type { CallFailure } from '../failure.js';
import type { UnaryCall } from './unary-call.js';

/** Who has work on what is being handed over: told when that is done. Must not throw. */
export interface DeliveryGuest {
  /** `now`: `performance.now()` clock. */
  delivered(now: number): void;
  /** What it had to do is over, and nobody has to look at the clock for it. */
  readonly hasLeft: boolean;
}

/**
 * The answer or failure that is being handed over: when work on it began, `performance.now()` clock; 0 = none is. Of an answer that is
 * when its bytes were read, so that the answers before it in the same read are time of this process and not of the peer. Process state
 * on purpose: what belongs to an answer is done before the next one is handed over.
 */
export const delivery: { since: number } = { since: 0 };

/** When the read began whose bytes are worked through; 0 = none is. */
let readAt = 0;
const guests: DeliveryGuest[] = [];

/** Bytes of a peer begin to be worked through. */
export function readBegins(): void {
  readAt = performance.now();
}

/** They are worked through. */
export function readEnds(): void {
  readAt = 0;
}

/** When what is being handed over began to be, else now: for the first look at the clock of who takes an answer. */
export function deliveredAt(): number {
  return delivery.since > 0 ? delivery.since : performance.now();
}

/** Only while something is being handed over. */
export function joinDelivery(guest: DeliveryGuest): void {
  guests.push(guest);
}

/** Hands an answer to the owner. A throw is the owner's mistake: it becomes a process warning and cannot disturb the connection. */
export function deliverAnswer(call: UnaryCall, message: Uint8Array): void {
  const outer = delivery.since;
  delivery.since = outer === 0 && readAt > 0 ? readAt : performance.now();
  try {
    call.succeeded(message);
  } catch (error) {
    warnOfThrow(`succeeded() of a call to ${call.head.path}`, error);
  }
  ended(outer);
}

/** Hands a failure to the owner; see {@link deliverAnswer}. The call may have begun after the read that ends it, so that has no say. */
export function deliverFailure(call: UnaryCall, failure: CallFailure): void {
  const outer = delivery.since;
  delivery.since = performance.now();
  try {
    call.failed(failure);
  } catch (error) {
    warnOfThrow(`failed() of a call to ${call.head.path}`, error);
  }
  ended(outer);
}

function ended(outer: number): void {
  delivery.since = outer;
  if (outer > 0 || guests.length === 0) return;
  let now = 0;
  for (let index = 0; index < guests.length; index++) {
    const guest = guests[index] as DeliveryGuest;
    if (guest.hasLeft) continue;
    if (now === 0) now = performance.now();
    guest.delivered(now);
  }
  guests.length = 0;
}

/** The process warning that something threw which nobody above could take. Also for those who tell several of what became of a call. */
export function warnOfThrow(what: string, error: unknown): void {
  const detail = error instanceof Error ? (error.stack ?? error.message) : 'a value that is no error';
  process.emitWarning(`${what} threw: ${detail}`, { code: 'INFERFLOW_TRANSPORT_CALLBACK' });
}
