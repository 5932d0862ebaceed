import { type DeadlineEntry, type DeadlineQueue, deadlines } from './deadline-queue.js';
import { TransportError } from './errors.js';

/** How a scope ended: the caller left, its time ran out, or its work is complete. */
export type ScopeEnd = 'cancelled' | 'deadline' | 'done';

/** What can be attached to a scope. The two link fields belong to the scope; start them as `null`. */
export interface ScopeLink {
  scopePrevious: ScopeLink | null;
  scopeNext: ScopeLink | null;
  /** Called once, after the link was detached. Must not throw. */
  scopeEnded(reason: ScopeEnd): void;
}

/**
 * Cancellation and deadline of one request, without an `AbortController` and without a timer: links form an intrusive list,
 * and {@link CallScope.signal} is made only when somebody touches it.
 */
export class CallScope implements DeadlineEntry {
  deadlinePlace = -1;
  #deadline: number;
  #ended: ScopeEnd | null = null;
  #first: ScopeLink | null = null;
  #controller: AbortController | null = null;
  #queue: DeadlineQueue | null = null;

  /** @param deadline on the `performance.now()` clock; `Infinity` (the default) means none. It ends nothing by itself: see {@link CallScope.armDeadline}. */
  constructor(deadline = Number.POSITIVE_INFINITY) {
    this.#deadline = deadline;
  }

  /** When the time is up, on the `performance.now()` clock; `Infinity` means never. */
  get deadline(): number {
    return this.#deadline;
  }

  /** How the scope ended, `null` while it is open. */
  get ended(): ScopeEnd | null {
    return this.#ended;
  }

  /** Makes an ended scope usable for the next request. Throws `INFERFLOW_TRANSPORT_SCOPE_IN_USE` while it is open or has links. */
  reset(deadline: number): void {
    if (this.#ended === null || this.#first !== null)
      throw new TransportError(
        'INFERFLOW_TRANSPORT_SCOPE_IN_USE',
        'a scope can be reset only after it ended and every link was detached; end it first',
      );
    this.#deadline = deadline;
    this.#ended = null;
    this.#controller = null;
  }

  /** Milliseconds left after a reserve, never below 0; `Infinity` without a deadline. */
  remainingMs(reserveMs: number): number {
    return Math.max(this.#deadline - performance.now() - reserveMs, 0);
  }

  /** Lets the process-wide queue end this scope with `deadline` when its time is up. Does nothing without a deadline or after the end. */
  armDeadline(queue: DeadlineQueue = deadlines, now?: number): void {
    if (this.#deadline === Number.POSITIVE_INFINITY || this.#ended !== null || this.#queue !== null) return;
    this.#queue = queue;
    queue.add(this, this.#deadline, now);
  }

  /** For the deadline queue. */
  deadlinePassed(): void {
    this.end('deadline');
  }

  /** Ends the scope. The first end wins; every link is detached and told once. A throwing link does not keep the others from being told. */
  end(reason: ScopeEnd): void {
    if (this.#ended !== null) return;
    this.#ended = reason;
    if (this.#queue !== null) {
      this.#queue.remove(this);
      this.#queue = null;
    }
    let thrown: unknown;
    let hasThrown = false;
    for (let link = this.#first; link !== null; link = this.#first) {
      this.detach(link);
      try {
        link.scopeEnded(reason);
      } catch (error) {
        if (!hasThrown) thrown = error;
        hasThrown = true;
      }
    }
    if (this.#controller !== null && reason !== 'done') this.#controller.abort(abortReason(reason));
    if (hasThrown) throw thrown;
  }

  /** Adds a link. On an ended scope the link is told at once and not kept. */
  attach(link: ScopeLink): void {
    if (this.#ended !== null) {
      link.scopeEnded(this.#ended);
      return;
    }
    const first = this.#first;
    link.scopePrevious = null;
    link.scopeNext = first;
    if (first !== null) first.scopePrevious = link;
    this.#first = link;
  }

  /** Removes a link; one that is not attached is ignored. */
  detach(link: ScopeLink): void {
    const previous = link.scopePrevious;
    const next = link.scopeNext;
    if (previous !== null) previous.scopeNext = next;
    else if (this.#first === link) this.#first = next;
    else return;
    if (next !== null) next.scopePrevious = previous;
    link.scopePrevious = null;
    link.scopeNext = null;
  }

  /** A signal that aborts when the scope is cancelled or runs out of time (not when it is done). Made on first touch: 2.6 µs. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#ended !== null && this.#ended !== 'done') this.#controller.abort(abortReason(this.#ended));
    }
    return this.#controller.signal;
  }
}

function abortReason(reason: 'cancelled' | 'deadline'): TransportError {
  return reason === 'deadline'
    ? new TransportError('INFERFLOW_TRANSPORT_DEADLINE', 'the deadline of the call passed')
    : new TransportError('INFERFLOW_TRANSPORT_CANCELLED', 'the call was cancelled by its caller');
}
