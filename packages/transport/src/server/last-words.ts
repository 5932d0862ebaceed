import type { Duplex } from 'node:stream';

/** How long a client may take to read them. */
const lingerMs = 1000;

/**
 * Sends a connection what is the last of it, and closes it. What the client still sends is taken for a while, and dropped: closing over bytes that
 * nobody has read resets a connection, and then the client may never read why.
 */
export function sayLastWords(socket: Duplex, words: Uint8Array | string): void {
  socket.resume();
  socket.end(words);
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}
