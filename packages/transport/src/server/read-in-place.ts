// Where the bytes of a caller go when they are read:
//
//   Node's streams   socket ─► memory of its own for every read ─► `data`      80 MB/s of it with three times the load that can be answered,
//                                                                              and full collections because of that alone
//   in place         socket ─► the one buffer of this process ─► `onRead`      no memory at all; what is kept is copied by who keeps it
import type net from 'node:net';

/** As long as Node's own: a caller that floods a socket gets as many bytes of a turn as it does there. */
const readBytes = 64 * 1024;

/** Of all sockets that are read in place: what a read brought has been worked through before there is another. */
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
  const [buffer, callback, generator] = ['kBuffer', 'kBufferCb', 'kBufferGen'].map((name) => unusedSymbol(internals, name));
  const handle = internals._handle;
  if (buffer === undefined || callback === undefined || generator === undefined) return false;
  if (typeof handle?.useUserBuffer !== 'function') return false;
  internals[buffer] = shared;
  internals[callback] = (length: number, bytes: Buffer): boolean => {
    while (socket.readableLength > 0 && socket.read() !== null);
    onRead(bytes, length);
    return true;
  };
  handle.useUserBuffer(shared);
  return true;
}

interface SocketInternals {
  readonly _handle?: { useUserBuffer?(buffer: Uint8Array): void } | null;
  [symbol: symbol]: unknown;
}

/** A property of Node's own, by its name, if nothing uses it. */
function unusedSymbol(socket: SocketInternals, name: string): symbol | undefined {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === name);
  return symbol !== undefined && socket[symbol] === null ? symbol : undefined;
}
