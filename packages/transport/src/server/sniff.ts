import type net from 'node:net';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
/** First byte of every TLS connection: a record with a handshake message. */
const tlsHandshake = 0x16;

/** What the first bytes of a socket say. */
export type SniffedProtocol = 'h1' | 'h2' | 'tls';

/** Told what a socket speaks, or that it said nothing in time (it is closed then). */
export interface SniffListener {
  onProtocol(protocol: SniffedProtocol): void;
  onTimeout(): void;
}

/** Tells TLS, HTTP/2 by prior knowledge and HTTP/1.1 apart by the first bytes of a socket, which are put back. */
export function sniff(socket: net.Socket, timeoutMs: number, { onProtocol, onTimeout }: SniffListener): void {
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
    const protocol = seen[0] === tlsHandshake ? 'tls' : isPreface ? 'h2' : 'h1';
    socket.unshift(seen);
    onProtocol(protocol);
  };
  socket.on('readable', onReadable);
  socket.once('close', stop);
}
