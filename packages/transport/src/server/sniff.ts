import type net from 'node:net';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Tells HTTP/2 by prior knowledge from HTTP/1.1 by the first bytes of a socket, which are put back. A silent socket is closed after the time given. */
export function sniff(socket: net.Socket, timeoutMs: number, onProtocol: (protocol: 'h1' | 'h2') => void, onTimeout: () => void): void {
  let seen: Buffer | null = null;
  const timer = setTimeout(() => {
    onTimeout();
    socket.destroy();
  }, timeoutMs);
  timer.unref();
  const stop = () => clearTimeout(timer);
  const onReadable = () => {
    for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read())
      seen = seen === null ? chunk : Buffer.concat([seen, chunk]);
    if (seen === null) return;
    const length = Math.min(seen.length, preface.length);
    const isPreface = seen.compare(preface, 0, length, 0, length) === 0;
    // Still a prefix of the preface: no request of HTTP/1.1 in use begins with "PRI", but "P" may become "POST".
    if (isPreface && seen.length < preface.length) return;
    socket.off('readable', onReadable);
    socket.off('close', stop);
    stop();
    socket.unshift(seen);
    onProtocol(isPreface ? 'h2' : 'h1');
  };
  socket.on('readable', onReadable);
  socket.once('close', stop);
}
