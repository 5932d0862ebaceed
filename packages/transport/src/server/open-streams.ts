// Why Node's own map of open streams is not left where it is. V8's maps are hash tables that are thrown away when they are full of what was
// deleted, and each points to the one that took its place, for iterators that are still on the way:
//
//   table 1 (old memory, dead)  →  table 2 (dead)  →  …  →  table n (in use)
//
// A full collection moves table 1 into old memory; from then on, up to the next full one, all its successors count as alive, and with every table
// the streams that were open when it was left. 2 KB of each stream so became old memory, and full collections as frequent as requests are.
import type { ServerHttp2Session } from 'node:http2';
import { types } from 'node:util';

/** A power of two, 2 KB a session. Ids of a client are odd: two that are twice this apart share a slot. */
const slotCount = 128;
const unused = -1;

/** Open streams by id: a `Map` in all it does, kept in slots that are filled again and never thrown away. */
export class OpenStreams<Stream> extends Map<number, Stream> {
  readonly #ids: number[] = new Array<number>(slotCount).fill(unused);
  readonly #streams: (Stream | undefined)[] = new Array<Stream | undefined>(slotCount).fill(undefined);
  #inSlots = 0;

  override get size(): number {
    return this.#inSlots + super.size;
  }

  override has(id: number): boolean {
    return this.#ids[slotOf(id)] === id || super.has(id);
  }

  override get(id: number): Stream | undefined {
    const slot = slotOf(id);
    return this.#ids[slot] === id ? this.#streams[slot] : super.get(id);
  }

  /** A stream whose slot is taken goes into the map itself, and stays there. */
  override set(id: number, stream: Stream): this {
    const slot = slotOf(id);
    if (this.#ids[slot] !== id && (this.#ids[slot] !== unused || super.has(id))) return super.set(id, stream);
    if (this.#ids[slot] === unused) this.#inSlots++;
    this.#ids[slot] = id;
    this.#streams[slot] = stream;
    return this;
  }

  override delete(id: number): boolean {
    const slot = slotOf(id);
    if (this.#ids[slot] !== id) return super.delete(id);
    this.#ids[slot] = unused;
    this.#streams[slot] = undefined;
    this.#inSlots--;
    return true;
  }

  override clear(): void {
    super.clear();
    this.#ids.fill(unused);
    this.#streams.fill(undefined);
    this.#inSlots = 0;
  }

  override forEach(visit: (stream: Stream, id: number, map: Map<number, Stream>) => void, thisArg?: unknown): void {
    for (const [id, stream] of this.#all()) visit.call(thisArg, stream, id, this);
  }

  override entries(): ReturnType<Map<number, Stream>['entries']> {
    return this.#all().entries();
  }

  override keys(): ReturnType<Map<number, Stream>['keys']> {
    return this.#all().keys();
  }

  override values(): ReturnType<Map<number, Stream>['values']> {
    return this.#all().values();
  }

  override [Symbol.iterator](): ReturnType<Map<number, Stream>['entries']> {
    return this.entries();
  }

  /** What is open now; closing a stream takes it out of this map, not out of that. */
  #all(): Map<number, Stream> {
    const all = new Map<number, Stream>();
    for (const [slot, id] of this.#ids.entries()) if (id !== unused) all.set(id, this.#streams[slot] as Stream);
    super.forEach((stream, id) => all.set(id, stream));
    return all;
  }
}

/** A client's streams have odd ids. */
function slotOf(id: number): number {
  return (id >>> 1) & (slotCount - 1);
}

interface SessionState {
  streams?: unknown;
}

/**
 * Has a new session keep its open streams in {@link OpenStreams}. That reaches into Node: where the session is not made as it has been from
 * Node 20 to 26, nothing is touched, and all works as before at the higher price. Returns whether it was done.
 */
export function keepStreamsYoung(session: ServerHttp2Session): boolean {
  const symbol = Object.getOwnPropertySymbols(session).find(({ description }) => description === 'state');
  const state = symbol === undefined ? undefined : (session as unknown as Record<symbol, SessionState | undefined>)[symbol];
  if (typeof state !== 'object' || state === null || !types.isMap(state.streams) || state.streams.size > 0) return false;
  state.streams = new OpenStreams();
  return true;
}
