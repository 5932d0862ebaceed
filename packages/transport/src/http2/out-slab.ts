// Bytes on their way out of one connection:
//
//   slab   | handed to the socket … | written this turn … | free …        |
//          0                        #from                 at              slabBytes
//
// Frames are written at `at`. At the end of the turn #from … at goes to the socket as one write (several slabs: one writev). When the
// kernel took everything, the slab goes back to the pool at once, which is the usual case; else it is kept until the socket has drained.
import type { Socket } from 'node:net';
import { givesPerLook, IdleList } from '../idle-list.js';
import { type Flushable, turnEnd } from './turn-end.js';

/** Bytes of a slab. */
export const slabBytes: number = 256 * 1024;
/** A longer message does not go into a slab whole: it would leave much of the slab before it unused. */
export const mostWholeBytes: number = slabBytes / 2;
const mostIdleSlabs = 64;

/** A reusable buffer, under both classes: kernels get the plain array, the socket the `Buffer`. */
export interface Slab {
  readonly bytes: Uint8Array;
  readonly buffer: Buffer;
}

/** Slabs of this process that nobody uses; bounded, and what a burst left is let go little by little. */
export class SlabPool {
  readonly #idle = new IdleList<Slab>();
  #taken = 0;
  #gives = 0;

  /** Slabs in use. */
  get taken(): number {
    return this.#taken;
  }

  /** Slabs kept for reuse. */
  get idle(): number {
    return this.#idle.length;
  }

  take(): Slab {
    this.#taken++;
    const kept = this.#idle.take();
    if (kept !== undefined) return kept;
    const buffer = Buffer.allocUnsafeSlow(slabBytes);
    return { bytes: new Uint8Array(buffer.buffer), buffer };
  }

  give(slab: Slab): void {
    this.#taken--;
    if (++this.#gives === givesPerLook) {
      this.#gives = 0;
      this.#idle.letGo();
    }
    if (this.#idle.length < mostIdleSlabs) this.#idle.give(slab);
  }

  /** Counts a slab as gone that something may still read. */
  abandon(): void {
    this.#taken--;
  }
}

/** Slabs of this process: a slab's next user is any connection, most often within the same turn. */
export const slabs: SlabPool = new SlabPool();

/** Who fills an {@link OutSlab}. */
export interface OutOwner {
  /** The end of the turn: last chance to put something before the bytes leave. */
  beforeWrite(): void;
  /** The socket took everything that had been handed to it, at once or later. */
  drained(): void;
  /** The socket did not take everything that was handed to it; told after each such write, until it has {@link OutOwner.drained}. */
  stuck(): void;
}

/** The outgoing side of one connection: frames are put into slabs and leave in one write a turn. */
export class OutSlab implements Flushable {
  isDirty = false;
  /** Where the next frame goes. */
  at = 0;
  readonly #socket: Socket;
  readonly #owner: OutOwner;
  readonly #pool: SlabPool;
  readonly #onWritten = () => this.#written();
  #slab: Slab | null = null;
  #from = 0;
  /** Full slabs of this turn, each with its unsent bytes. */
  #full: { slab: Slab; from: number; to: number }[] = [];
  #fullBytes = 0;
  /** Slabs whose bytes the socket has and the kernel may not. */
  #inFlight: Slab[] = [];
  #isStuck = false;
  #isClosed = false;

  constructor(socket: Socket, owner: OutOwner, pool: SlabPool = slabs) {
    this.#socket = socket;
    this.#owner = owner;
    this.#pool = pool;
  }

  /** The slab that frames go into. Asked for after every {@link OutSlab.reserve}, never kept. */
  get bytes(): Uint8Array {
    return this.#slab!.bytes;
  }

  /** Bytes that the socket has not taken yet, with those of this turn. */
  get backlog(): number {
    return this.#socket.writableLength + this.#fullBytes + this.at - this.#from;
  }

  /** Makes room for so many bytes on end, at most {@link slabBytes}; returns where they go. The caller moves {@link OutSlab.at} when it has written. */
  reserve(byteLength: number): number {
    if (this.#slab === null) {
      this.#slab = this.#pool.take();
      this.at = 0;
      this.#from = 0;
    } else if (this.at + byteLength > slabBytes) this.#replace(this.#slab);
    if (!this.isDirty) turnEnd.mark(this);
    return this.at;
  }

  /** Hands everything to the socket. */
  flush(): void {
    if (this.#isClosed) return this.#drop(false);
    try {
      this.#owner.beforeWrite();
      this.send();
      // What waited for room among the bytes of this turn, and not for the socket, would be woken by nobody else.
      if (!this.#isStuck && !this.#isClosed) this.#owner.drained();
    } catch (error) {
      // Nobody knows what was put and what was not: the connection is of no use any more.
      this.#socket.destroy(error instanceof Error ? error : undefined);
      throw error;
    }
  }

  /** Like {@link OutSlab.flush}, at once and without asking the owner. */
  send(): void {
    const slab = this.#slab;
    if (this.#isClosed || slab === null) return;
    if (this.#full.length > 0) this.#sendFull(slab);
    else if (this.at > this.#from) this.#socket.write(slab.buffer.subarray(this.#from, this.at), this.#onWritten);
    if (this.#isClosed) return;
    this.#from = this.at;
    if (this.#socket.writableLength === 0) this.#recycle();
    else {
      this.#isStuck = true;
      this.#owner.stuck();
    }
  }

  /** The socket is gone: slabs it may still have are left to the garbage collector. What is put from now on is dropped when its turn ends. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#drop(this.#isStuck);
  }

  #drop(isTaken: boolean): void {
    if (this.#slab !== null) this.#release(this.#slab, isTaken);
    for (const { slab } of this.#full) this.#release(slab, isTaken);
    for (const slab of this.#inFlight) this.#release(slab, true);
    this.#slab = null;
    this.#full = [];
    this.#fullBytes = 0;
    this.#inFlight = [];
    this.at = 0;
    this.#from = 0;
  }

  #release(slab: Slab, isTaken: boolean): void {
    if (isTaken) this.#pool.abandon();
    else this.#pool.give(slab);
  }

  #replace(slab: Slab): void {
    if (this.at > this.#from) {
      this.#full.push({ slab, from: this.#from, to: this.at });
      this.#fullBytes += this.at - this.#from;
    } else if (this.#isStuck) this.#inFlight.push(slab);
    else this.#pool.give(slab);
    this.#slab = this.#pool.take();
    this.at = 0;
    this.#from = 0;
  }

  #sendFull(slab: Slab): void {
    this.#socket.cork();
    for (const part of this.#full) {
      this.#socket.write(part.slab.buffer.subarray(part.from, part.to));
      this.#inFlight.push(part.slab);
    }
    this.#full = [];
    this.#fullBytes = 0;
    this.#socket.write(slab.buffer.subarray(this.#from, this.at), this.#onWritten);
    this.#socket.uncork();
  }

  #written(): void {
    if (this.#isClosed || !this.#isStuck || this.#socket.writableLength > 0) return;
    this.#isStuck = false;
    this.#recycle();
    this.#owner.drained();
  }

  /** The kernel has everything that was handed over. */
  #recycle(): void {
    if (this.#inFlight.length > 0) {
      for (const slab of this.#inFlight) this.#pool.give(slab);
      this.#inFlight.length = 0;
    }
    if (this.#slab === null || this.at > this.#from) return;
    this.#pool.give(this.#slab);
    this.#slab = null;
    this.at = 0;
    this.#from = 0;
  }
}
