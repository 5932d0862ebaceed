import type { UnaryCall } from './unary-call.js';

/** Calls in the order they came, linked through their own fields: a call is in at most one queue, and leaves it in constant time. */
export class CallQueue {
  #size = 0;
  #first: UnaryCall | null = null;
  #last: UnaryCall | null = null;

  get size(): number {
    return this.#size;
  }

  get first(): UnaryCall | null {
    return this.#first;
  }

  push(call: UnaryCall): void {
    call.queuePrevious = this.#last;
    call.queueNext = null;
    if (this.#last === null) this.#first = call;
    else this.#last.queueNext = call;
    this.#last = call;
    this.#size++;
  }

  /** Before all others: for a call that was at its turn already. */
  pushFirst(call: UnaryCall): void {
    call.queuePrevious = null;
    call.queueNext = this.#first;
    if (this.#first === null) this.#last = call;
    else this.#first.queuePrevious = call;
    this.#first = call;
    this.#size++;
  }

  /** The call must be in this queue. */
  remove(call: UnaryCall): void {
    if (call.queuePrevious === null) this.#first = call.queueNext;
    else call.queuePrevious.queueNext = call.queueNext;
    if (call.queueNext === null) this.#last = call.queuePrevious;
    else call.queueNext.queuePrevious = call.queuePrevious;
    call.queuePrevious = null;
    call.queueNext = null;
    this.#size--;
  }
}
