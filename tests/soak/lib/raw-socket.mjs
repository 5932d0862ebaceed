// Sockets that say whatever one likes, and what came of it.
import net from 'node:net';

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

/** An HTTP/2 frame. */
export function h2Frame(type, flags, streamId, payload = Buffer.alloc(0), announced = payload.length) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(announced, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** A socket to the server. `hasClosed` resolves when it ends; errors count as an end. */
export function openSocket(port, { read = true } = {}) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    socket.received = 0;
    socket.isClosed = false;
    socket.hasClosed = new Promise((done) => {
      socket.once('close', () => {
        socket.isClosed = true;
        done();
      });
    });
    socket.once('connect', () => resolve(socket));
    socket.on('error', (error) => {
      if (socket.connecting) reject(error);
    });
    if (read)
      socket.on('data', (chunk) => {
        socket.received += chunk.length;
      });
  });
}

/** Many sockets, opened some at a time. */
export async function openSockets(port, count, options) {
  const sockets = [];
  while (sockets.length < count) {
    const batch = Math.min(50, count - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: batch }, () => openSocket(port, options)))));
    // The load and its upstreams live in this process: leave them some of its time.
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return sockets;
}
