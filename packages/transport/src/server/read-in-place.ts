// Where the bytes of a caller go when they are read:
//
//   Node's streams   socket ─► memory of its own for every read ─► `data`      80 MB/s of it with three times the load that can be answered,
//                                                                              and full collections because of that alone
//   in place         socket ─► the one buffer of this process ─► `onRead`      no memory at all; what is kept is copied by who keeps it
//                    DATA of a stream of node:http2 ─► that buffer ─► `onData`  as little, and nothing of Readable in between
import type { ServerHttp2Stream } from 'node:http2';
import net from 'node:net';

/** As long as Node's own: a caller that floods a socket gets as many bytes of a turn as it does there. */
const readBytes = 64 * 1024;

/** Of all that is read in place: what a read brought has been worked through before there is another. */
const shared = Buffer.allocUnsafeSlow(readBytes);

/** Gets what a read brought: the first `length` bytes, which the next read of any socket overwrites. */
export type OnRead = (bytes: Buffer, length: number) => void;

/**
 * Has what comes on an accepted socket go into one buffer instead of `data` events; what Node has read before still comes as `data`, and
 * first. `net` offers that for sockets that connect (`onread`), not for accepted ones, so this does to them what `net` does there. Where
 * Node's sockets are not made as they have been from Node 20 to 26, or where a read is begun before there are bytes (Windows), nothing is
 * touched, and all comes as `data`. Returns whether it was done.
 */
export function readInPlace(socket: net.Socket, onRead: OnRead): boolean {
  if (process.platform === 'win32') return false;
  const internals = socket as unknown as SocketInternals;
  const fields = fieldsOf(socket);
  const handle = internals._handle;
  if (fields === undefined || typeof handle?.useUserBuffer !== 'function') return false;
  internals[fields.buffer] = shared;
  internals[fields.callback] = (length: number, bytes: Buffer): boolean => {
    while (socket.readableLength > 0 && socket.read() !== null);
    onRead(bytes, length);
    return true;
  };
  handle.useUserBuffer(shared);
  return true;
}

/** Gets DATA of a stream, which is `this`: the first `length` bytes, which the next read of anything overwrites. True = go on. */
export type OnData = (this: ServerHttp2Stream, length: number, bytes: Buffer) => true;

/**
 * Has DATA of a stream of `node:http2` that has just been opened come to `onData` instead of `data` events, or to another `onData` than until
 * now. Call `stream.read(0)` to begin, and once more on `trailers`: a stream that these end, not DATA, has no `end` else. The memory into which
 * Node reads the socket is then let go at once, as no object shows it. Where DATA has come already, or Node's streams are not made as they have
 * been from Node 20 to 26, nothing is touched, and all comes as `data`. Returns whether it was done.
 */
export function readStreamInPlace(stream: ServerHttp2Stream, onData: OnData): boolean {
  if (streamFields === undefined) return false;
  const internals = stream as unknown as StreamInternals;
  if (internals[streamFields.buffer] !== shared) {
    const handle = handleOf(stream);
    if (stream.readableLength > 0 || typeof handle?.useUserBuffer !== 'function') return false;
    handle.useUserBuffer(shared);
    internals[streamFields.buffer] = shared;
    internals[streamFields.generator] = null;
  }
  internals[streamFields.callback] = onData;
  return true;
}

/**
 * Throws away what else comes on a stream. Of one that nobody has read no window is given back, and no `end` comes: whoever calls this resets it
 * when he has answered.
 */
export function discardRest(stream: ServerHttp2Stream): void {
  // What flows already may be in the middle of a `data` event.
  if (stream.readableFlowing !== null || !readStreamInPlace(stream, ignore)) stream.resume();
}

function ignore(): true {
  return true;
}

/** A property of Node's own, by its name, if nothing uses it. */
function unusedSymbol(socket: net.Socket, name: string): symbol | undefined {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === name);
  return symbol !== undefined && (socket as unknown as SocketInternals)[symbol] === null ? symbol : undefined;
}

interface Handle {
  useUserBuffer(buffer: Uint8Array): void;
}

interface SocketInternals {
  readonly _handle?: Partial<Handle> | null;
  [symbol: symbol]: unknown;
}

interface StreamInternals {
  [symbol: symbol]: unknown;
}

/** Where Node looks, in whatever has a handle, for a buffer to read into. */
const streamFields = fieldsOf(new net.Socket());

function fieldsOf(socket: net.Socket): { buffer: symbol; callback: symbol; generator: symbol } | undefined {
  const [buffer, callback, generator] = ['kBuffer', 'kBufferCb', 'kBufferGen'].map((name) => unusedSymbol(socket, name));
  return buffer === undefined || callback === undefined || generator === undefined ? undefined : { buffer, callback, generator };
}

let handleField: symbol | undefined;

function handleOf(stream: ServerHttp2Stream): Partial<Handle> | undefined {
  const internals = stream as unknown as StreamInternals;
  if (handleField !== undefined) return internals[handleField] as Partial<Handle> | undefined;
  const field = Object.getOwnPropertySymbols(stream).find(({ description }) => description === 'kHandle');
  const handle = field === undefined ? undefined : (internals[field] as Partial<Handle> | undefined);
  if (typeof handle?.useUserBuffer === 'function') handleField = field;
  return handle;
}
