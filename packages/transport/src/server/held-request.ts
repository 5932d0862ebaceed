import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { ResolvedOnePortOptions } from './resolve-one-port-options.js';
import type { ServerLoad } from './server-load.js';

type ColdRequest = IncomingMessage | Http2ServerRequest;

/** The rest is for hot calls: who fills this part must not have them refused. */
const mostOfAll = 0.5;
/** What is apart is small, as a health check is: one that holds more is refused, but none because others hold much. */
const mostApart = 64 * 1024;

/** What is held for a request that is no hot call, up to the end of its answer. */
export class HeldRequest {
  static readonly #of = new WeakMap<ColdRequest, HeldRequest>();
  readonly #options: ResolvedOnePortOptions;
  readonly #load: ServerLoad;
  readonly #isApart: boolean;
  #byteLength = 0;
  #isOver = false;

  constructor(request: ColdRequest, options: ResolvedOnePortOptions, load: ServerLoad, isApart: boolean) {
    this.#options = options;
    this.#load = load;
    this.#isApart = isApart;
    HeldRequest.#of.set(request, this);
  }

  static of(request: ColdRequest): HeldRequest | undefined {
    return HeldRequest.#of.get(request);
  }

  /** False when the server holds too many; they count all the same, until the request is over. */
  hold(byteLength: number): boolean {
    if (this.#isOver) return true;
    const load = this.#load;
    this.#byteLength += byteLength;
    load.heldBytes += byteLength;
    load.coldHeldBytes += byteLength;
    if (this.#isApart) return this.#byteLength <= mostApart;
    const { maxHeldBytes } = this.#options;
    return load.coldHeldBytes <= maxHeldBytes * mostOfAll && load.heldBytes <= maxHeldBytes;
  }

  over(): void {
    this.#isOver = true;
    this.#load.heldBytes -= this.#byteLength;
    this.#load.coldHeldBytes -= this.#byteLength;
    this.#byteLength = 0;
  }
}

/**
 * For a listener of what is no hot method: counts bytes of a request's body, of what it became, or of its answer, until the response has closed.
 * False when the server holds more than `maxHeldBytes`, or more than half of that for such requests, and for one that is `apart` when it alone
 * holds more than 64 KiB: then it is to be refused. True for requests of other servers.
 */
export function holdBytes(request: ColdRequest, byteLength: number): boolean {
  return HeldRequest.of(request)?.hold(byteLength) ?? true;
}
