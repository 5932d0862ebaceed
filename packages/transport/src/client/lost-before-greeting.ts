import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

const tlsHint = 'if the server speaks TLS, use TLS (https://) for it';
const plainHint = 'the server does not speak TLS; use plaintext (http://) for it';

/** Bytes that are no TLS, as OpenSSL names them. */
const notTls = /wrong version number|packet length too long|http request|unexpected message|unknown protocol/i;
/** Who ends a handshake with an alert speaks TLS. */
const tlsAlert = /SSL alert number/;
/** Ends of a socket that a peer causes which expected something else. */
const cutOff = /ECONNRESET|EPIPE|disconnected before secure TLS|closed before/;

/**
 * Why a connection did not come up, in one line: what the socket or the session said, and a hint where it looks as if one side speaks TLS and
 * the other does not.
 */
export function lostBeforeGreeting(message: string, socket: Socket): string {
  const text = message.trim().replaceAll(/\s+/g, ' ');
  if (!(socket instanceof TLSSocket)) return cutOff.test(text) ? `${text}; ${tlsHint}` : text;
  const speaksTls = socket.alpnProtocol !== null || tlsAlert.test(text);
  if (!speaksTls && notTls.test(text)) return plainHint;
  return !speaksTls && cutOff.test(text) ? `${text}; if the server does not speak TLS, use plaintext (http://) for it` : text;
}

/** What the first bytes of a peer say that is not HTTP/2; null when they may be HTTP/2. */
export function foreignGreeting(bytes: Uint8Array, length: number): string | null {
  // A TLS record: handshake or alert, version 3.x.
  if (length >= 2 && (bytes[0] === 0x15 || bytes[0] === 0x16) && bytes[1] === 3) return `the server answers in TLS; ${tlsHint}`;
  // HTTP/1: proxies and web servers answer a TLS port's plaintext with it too.
  if (length >= 5 && bytes[0] === 0x48 && bytes[1] === 0x54 && bytes[2] === 0x54 && bytes[3] === 0x50 && bytes[4] === 0x2f)
    return `the server answers in HTTP/1.1, not HTTP/2; ${tlsHint}`;
  return null;
}
