import net from 'node:net';
import tls from 'node:tls';
import { block, type CutFrame, cutFrames, dataFrames, headerFrames, settingsAck, settingsFrame, windowFrame } from './wire.js';

/** A gRPC message in its frame. */
function grpcFrame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const okHead = block([':status', '200'], ['content-type', 'application/grpc']);
const okTrailers = block(['grpc-status', '0']);

/** The frames of a right answer. */
export function answerFrames(streamId: number, message: Uint8Array): { head: Buffer; data: Buffer; trailers: Buffer; all: Buffer } {
  const head = headerFrames(streamId, okHead, false);
  const data = dataFrames(streamId, grpcFrame(message), false);
  const trailers = headerFrames(streamId, okTrailers, true);
  return { head, data, trailers, all: Buffer.concat([head, data, trailers]) };
}

/** One connection to a {@link RawPeer}. */
export class PeerSocket {
  readonly socket: net.Socket;
  readonly frames: CutFrame[] = [];
  /** Counts connections from 0. */
  readonly index: number;
  readonly #peer: RawPeer;
  #pending: Buffer = Buffer.alloc(0);
  #isGreeted = false;
  readonly #bodies = new Map<number, Buffer[]>();

  constructor(peer: RawPeer, socket: net.Socket, index: number) {
    this.#peer = peer;
    this.socket = socket;
    this.index = index;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  write(...parts: Uint8Array[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(parts));
  }

  #read(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    if (!this.#isGreeted) {
      if (this.#pending.length < 24) return;
      this.#pending = this.#pending.subarray(24);
      this.#isGreeted = true;
      this.write(this.#peer.greeting, settingsAck);
    }
    const { frames, rest } = cutFrames(this.#pending);
    this.#pending = rest;
    for (const frame of frames) this.#frame(frame);
  }

  #frame(frame: CutFrame): void {
    const { type, flags, streamId, payload } = frame;
    this.frames.push(frame);
    this.#peer.onFrame?.(this, frame);
    if (type !== 0) return;
    const parts = this.#bodies.get(streamId) ?? [];
    parts.push(payload);
    this.#bodies.set(streamId, parts);
    if (payload.length > 0 && this.#peer.opensWindows) this.write(windowFrame(0, payload.length), windowFrame(streamId, payload.length));
    if ((flags & 1) === 0) return;
    this.#bodies.delete(streamId);
    this.#peer.requests++;
    this.#peer.onRequest(this, streamId, Buffer.concat(parts).subarray(5));
  }
}

/** A server that speaks HTTP/2 byte by byte, and breaks it wherever a test likes. */
export class RawPeer {
  greeting: Buffer = settingsFrame();
  opensWindows = true;
  requests = 0;
  port = 0;
  readonly connections: PeerSocket[] = [];
  onFrame: ((socket: PeerSocket, frame: CutFrame) => void) | null = null;
  onRequest: (socket: PeerSocket, streamId: number, message: Buffer) => void = (socket, streamId, message) => {
    socket.write(answerFrames(streamId, message).all);
  };
  #server: net.Server | null = null;

  async start(tlsOptions: tls.TlsOptions | null = null, port = 0): Promise<this> {
    const accept = (socket: net.Socket) => {
      socket.on('error', () => {});
      this.connections.push(new PeerSocket(this, socket, this.connections.length));
    };
    const server = tlsOptions === null ? net.createServer(accept) : tls.createServer({ ALPNProtocols: ['h2'], ...tlsOptions }, accept);
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const address = server.address();
    this.port = address !== null && typeof address === 'object' ? address.port : 0;
    return this;
  }

  async stop(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy();
    await new Promise<void>((resolve) => (this.#server === null ? resolve() : this.#server.close(() => resolve())));
  }
}
