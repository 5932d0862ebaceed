import type { UnaryCall, Upstream } from '@inferflow/transport';

/**
 * How many calls a component may have under way that would make so many. Where others stand in line for the service it makes do with
 * one: what it has not called for yet costs nothing, and the end of that one tells it to go on.
 */
export function callsAtOnce(upstream: Upstream, most: number): number {
  return upstream.isCrowded === true ? 1 : Math.max(1, most);
}

/** The calls of one component of one request that have not ended. Keeps its room, so that a pooled run makes no garbage. */
export class OpenCalls<C extends UnaryCall> {
  count = 0;
  readonly #calls: (C | null)[] = [null, null, null, null];

  add(call: C): void {
    this.#calls[this.count++] = call;
  }

  /** A call ended by itself. */
  remove(call: C): void {
    let at = 0;
    while (at < this.count && this.#calls[at] !== call) at++;
    if (at === this.count) return;
    this.count--;
    this.#calls[at] = this.#calls[this.count] as C;
    this.#calls[this.count] = null;
  }

  /** Ends all calls, silently. */
  cancelAll(upstream: Upstream): void {
    for (let index = 0; index < this.count; index++) {
      upstream.cancel(this.#calls[index] as C);
      this.#calls[index] = null;
    }
    this.count = 0;
  }
}
