// A gzip'd message of 4 KB may become 4 MB, so few are inflated at a time, and what they have become so far is told while they grow:
//
//   start ──► waits ──► 16 KiB ──► 16 KiB ──► … ──► result
//                       grown      grown            inflated          each `grown` may stop it
//
// Zlib goes round all that it was given: begun together, they would all be large together.
import { constants } from 'node:buffer';
import { createGunzip, type Gunzip } from 'node:zlib';
import type { ScopeLink } from './call-scope.js';
import { type CallFailure, createFailure } from './failure.js';
import { GrpcCode } from './grpc-code.js';
import { plainView } from './plain-view.js';
import { type Turn, Turns } from './turns.js';

/** As many as libuv has threads for them. */
const mostAtOnce = 4;

/** Of the process. What callers send must not keep the answers of upstreams waiting. */
const turnsOf = { answer: new Turns(mostAtOnce), request: new Turns(mostAtOnce) } as const;

/** Whom an {@link Inflation} tells. */
export interface InflationHost {
  /** There are so many bytes more; 0 right before it begins. False ends it, and `inflated` is not called. */
  grown(byteLength: number): boolean;
  /** The end, unless it was ended before. Never called inside `start`. */
  inflated(result: Uint8Array | CallFailure): void;
}

/** A gzip'd message that is decompressed off the event loop, in its turn. Ends with the scope it is attached to. */
export class Inflation implements Turn, ScopeLink {
  scopePrevious: ScopeLink | null = null;
  scopeNext: ScopeLink | null = null;
  readonly #what: 'answer' | 'request';
  readonly #maxBytes: number;
  readonly #host: InflationHost;
  #message: Uint8Array | null;
  #gunzip: Gunzip | null = null;
  #chunks: Uint8Array[] = [];
  #byteLength = 0;
  #isOver = false;

  /**
   * @param what whose turn it takes; for the text of a failure, too
   * @param message must stay as it is until the end
   * @param maxBytes never more are put out, whatever the message holds
   */
  constructor(what: 'answer' | 'request', message: Uint8Array, maxBytes: number, host: InflationHost) {
    this.#what = what;
    this.#message = message;
    this.#maxBytes = maxBytes;
    this.#host = host;
  }

  start(): void {
    if (!this.#isOver) turnsOf[this.#what].add(this);
  }

  /** Ends it wherever it is; nobody is told. */
  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#message = null;
    this.#chunks = [];
    this.#gunzip?.destroy();
    this.#gunzip = null;
    turnsOf[this.#what].over(this);
  }

  /** For the scope. */
  scopeEnded(): void {
    this.cancel();
  }

  /** For its queue. */
  begin(): void {
    if (!this.#host.grown(0)) this.cancel();
    if (this.#isOver) return;
    try {
      this.#gunzip = createGunzip();
    } catch {
      // There was no memory for its state.
      setImmediate(() => this.#end(this.#notGzip()));
      return;
    }
    this.#gunzip.on('data', (chunk: Buffer) => this.#add(chunk));
    this.#gunzip.on('error', () => this.#end(this.#notGzip()));
    this.#gunzip.on('end', () => this.#end(this.#whole()));
    this.#gunzip.end(this.#message);
  }

  #add(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#byteLength += chunk.length;
    if (this.#byteLength > Math.min(this.#maxBytes, constants.MAX_LENGTH)) {
      const text = `the ${this.#what} is longer than the limit of ${this.#maxBytes} bytes when decompressed`;
      this.#end(createFailure('malformed', GrpcCode.RESOURCE_EXHAUSTED, text));
      return;
    }
    this.#chunks.push(chunk);
    if (!this.#host.grown(chunk.length)) this.cancel();
  }

  #whole(): Uint8Array | CallFailure {
    const [first, ...others] = this.#chunks;
    if (first !== undefined && others.length === 0) return plainView(first);
    try {
      return plainView(Buffer.concat(this.#chunks, this.#byteLength));
    } catch {
      const text = `the ${this.#what} has ${this.#byteLength} bytes when decompressed, and there is no memory for them`;
      return createFailure('malformed', GrpcCode.RESOURCE_EXHAUSTED, text);
    }
  }

  #notGzip(): CallFailure {
    return createFailure('malformed', GrpcCode.INTERNAL, `the ${this.#what} is not valid gzip`);
  }

  #end(result: Uint8Array | CallFailure): void {
    if (this.#isOver) return;
    this.cancel();
    this.#host.inflated(result);
  }
}

/**
 * Inflates an answer, whose growth nobody counts. `done` is called once: with what came of it, or with `null` as soon as it is seen that nobody
 * wants it any more; inside only for no bytes, which are none however they are compressed. Never throws.
 */
export function inflateAnswer(
  message: Uint8Array,
  maxBytes: number,
  isWanted: () => boolean,
  done: (result: Uint8Array | CallFailure | null) => void,
): void {
  const grown = () => {
    if (isWanted()) return true;
    done(null);
    return false;
  };
  if (message.length === 0) done(message);
  else new Inflation('answer', message, maxBytes, { grown, inflated: done }).start();
}
