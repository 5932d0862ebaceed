import net from 'node:net';
import { clientPreface } from '../http2/frames.js';
import { until } from './probe-call.js';
import { type CutFrame, cutFrames, settingsFrame } from './wire.js';

/** A caller that speaks HTTP/2 byte by byte, and breaks it wherever a test likes. */
export class RawCaller {
  readonly socket: net.Socket;
  readonly frames: CutFrame[] = [];
  isClosed = false;
  #pending: Buffer = Buffer.alloc(0);

  constructor(port: number) {
    this.socket = net.connect(port, '127.0.0.1');
    this.socket.setNoDelay(true);
    this.socket.on('error', () => {});
    this.socket.once('close', () => {
      this.isClosed = true;
    });
    this.socket.on('data', (chunk: Buffer) => {
      const { frames, rest } = cutFrames(Buffer.concat([this.#pending, chunk]));
      this.frames.push(...frames);
      this.#pending = rest;
    });
  }

  /** Preface and SETTINGS. */
  greet(...settings: (readonly [number, number])[]): this {
    return this.write(Buffer.from(clientPreface), settingsFrame(...settings));
  }

  write(...parts: Uint8Array[]): this {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(parts));
    return this;
  }

  /** Writes until the server ends the connection, as fast as it takes the bytes; false when it never did. */
  async flood(bytes: Buffer, times: number): Promise<boolean> {
    for (let i = 0; i < times && !this.isClosed && !this.socket.destroyed; i++) {
      const mayGoOn = this.socket.write(bytes);
      if (!mayGoOn || i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (this.socket.writableLength > 4_000_000)
        await until(() => this.isClosed || this.socket.writableLength < 1_000_000, 'reading server');
    }
    await until(() => this.isClosed, 'end of the connection').catch(() => {});
    return this.isClosed;
  }

  /** The code of a GOAWAY that came, −1 without one. */
  get goaway(): number {
    const frame = this.frames.find(({ type }) => type === 7);
    return frame === undefined ? -1 : frame.payload.readUInt32BE(4);
  }
}
