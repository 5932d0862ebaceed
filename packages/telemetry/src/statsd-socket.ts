import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import type { TimingLine } from './timing-line.js';

/** Fits an Ethernet frame with IPv6 and some room, as agents expect. */
const MAX_PACKET_BYTES = 1432;
/** On this machine nothing cuts a packet; what agents read at once by default. One in six system calls is left. */
const MAX_LOCAL_PACKET_BYTES = 8192;
/** Packets kept while the address is not known yet. */
const MAX_WAITING = 256;
/** Bytes of buffers kept for the next packets. */
const MAX_SPARE_BYTES = 32 * 1024;
const LINE_END = 0x0a;
const LOOKUP_AGAIN_MS = 30_000;
const CLOSE_WITHIN_MS = 1000;

/** Where datagrams go, and who hears of failures. */
export interface StatsdSocketOptions {
  readonly host: string;
  readonly port: number;
  /** Told of every packet that was lost, and why; and of every look-up that failed. */
  readonly onFailure: (reason: 'statsd_send' | 'statsd_address') => void;
}

/**
 * Lines to UDP packets. Never blocks and never throws: a packet that cannot be sent is lost and counted.
 * The host is looked up again from time to time, because agents move; IPv4 first, as Go does. Keeps no process alive.
 */
export class StatsdSocket {
  readonly #options: StatsdSocketOptions;
  #packet: Buffer | null = null;
  #packetBytes = 0;
  #maxPacketBytes = MAX_PACKET_BYTES;
  #waiting: Buffer[] = [];
  /** Whole buffers of packets that left. */
  readonly #spare: Buffer[] = [];
  #socket: Socket | undefined;
  #address: string | undefined;
  #lookedUpAt = Number.NEGATIVE_INFINITY;
  #isLookingUp = false;
  #isClosed = false;
  /** Nobody waits any more for an address to be found. */
  #isOver = false;
  #sending = 0;
  #drained: (() => void) | undefined;

  constructor(options: StatsdSocketOptions) {
    this.#options = options;
    const version = isIP(options.host);
    if (version === 0) {
      this.#refreshAddress();
      return;
    }
    this.#lookedUpAt = Number.POSITIVE_INFINITY;
    this.#use(options.host, version === 6 ? 'udp6' : 'udp4');
  }

  /** Adds a line; full packets leave at once. */
  write(line: string): void {
    const byteLength = Buffer.byteLength(line);
    const packet = this.#room(byteLength);
    this.#packetBytes += packet.write(line, this.#packetBytes);
  }

  /** Adds lines of timings, which differ in nothing but the value. */
  writeTimings(line: TimingLine, milliseconds: Float64Array, count: number): void {
    for (let index = 0; index < count; index++) {
      const packet = this.#room(line.maxBytes);
      this.#packetBytes = line.write(milliseconds[index] as number, packet, this.#packetBytes);
    }
  }

  /** Sends the packet begun. */
  flush(): void {
    this.#refreshAddress();
    const buffer = this.#packet;
    if (buffer === null || this.#packetBytes === 0) return;
    const packet = buffer.subarray(0, this.#packetBytes);
    this.#packet = null;
    this.#packetBytes = 0;
    if (this.#address !== undefined) {
      this.#send(packet, buffer);
      return;
    }
    this.#waiting.push(packet);
    if (this.#waiting.length <= MAX_WAITING) return;
    this.#waiting.shift();
    this.#options.onFailure('statsd_send');
  }

  /** The packet with room for a line, the line end in front of it written. A line longer than a packet has one to itself. */
  #room(lineBytes: number): Buffer {
    if (this.#packet !== null && this.#packetBytes + 1 + lineBytes > this.#packet.length) this.flush();
    if (this.#packet === null) this.#packet = this.#begin(lineBytes);
    else this.#packet[this.#packetBytes++] = LINE_END;
    return this.#packet;
  }

  #begin(lineBytes: number): Buffer {
    if (lineBytes > this.#maxPacketBytes) return Buffer.allocUnsafeSlow(lineBytes);
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#maxPacketBytes);
  }

  /** Sends what is left, waits for it within a second, and closes. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.flush();
    this.#isClosed = true;
    if (this.#sending > 0 || this.#isLookingUp) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, CLOSE_WITHIN_MS);
        this.#drained = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#isOver = true;
    this.#socket?.close();
    this.#socket = undefined;
    this.#address = undefined;
  }

  #refreshAddress(): void {
    const now = performance.now();
    if (this.#isLookingUp || this.#isClosed || now - this.#lookedUpAt < LOOKUP_AGAIN_MS) return;
    this.#isLookingUp = true;
    lookup(this.#options.host, { verbatim: false }, (error, address, family) => {
      this.#isLookingUp = false;
      if (error === null) {
        this.#lookedUpAt = now;
        this.#use(address, family === 6 ? 'udp6' : 'udp4');
      } else {
        // The next flush tries again; the last known address stays in use.
        this.#options.onFailure('statsd_address');
      }
      this.#settled();
    });
  }

  #use(address: string, type: 'udp4' | 'udp6'): void {
    if (this.#isOver) return;
    if (address !== this.#address || this.#socket === undefined) {
      this.#socket?.close();
      this.#socket = createSocket(type);
      this.#socket.unref();
      this.#socket.on('error', () => this.#options.onFailure('statsd_send'));
      this.#address = address;
      this.#maxPacketBytes = isLoopback(address) ? MAX_LOCAL_PACKET_BYTES : MAX_PACKET_BYTES;
      this.#spare.length = 0;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const packet of waiting) this.#send(packet, packet);
  }

  /** @param buffer whose bytes the packet is: for the next one, when the socket has done with it */
  #send(packet: Buffer, buffer: Buffer): void {
    if (this.#socket === undefined) return;
    this.#sending++;
    this.#socket.send(packet, this.#options.port, this.#address, (error) => {
      this.#sending--;
      if (buffer.length === this.#maxPacketBytes && (this.#spare.length + 1) * buffer.length <= MAX_SPARE_BYTES) this.#spare.push(buffer);
      if (error !== null) this.#options.onFailure('statsd_send');
      this.#settled();
    });
  }

  #settled(): void {
    if (this.#sending === 0 && !this.#isLookingUp) this.#drained?.();
  }
}

function isLoopback(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}
