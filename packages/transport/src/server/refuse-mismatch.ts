import type net from 'node:net';
import { sayLastWords } from './last-words.js';

const text = {
  tls: 'this port speaks plaintext, not TLS: use http:// (plaintext credentials), or configure a certificate at the server',
  plaintext: 'this port speaks TLS, not plaintext: use https:// (TLS credentials)',
} as const;

/** Empty SETTINGS, then GOAWAY: last stream 0, INADEQUATE_SECURITY, the reason as debug data, which clients print. */
function goAway(reason: string): Buffer {
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const debug = Buffer.from(reason, 'latin1');
  const head = Buffer.from([0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0c]);
  head.writeUIntBE(8 + debug.length, 0, 3);
  return Buffer.concat([settings, head, debug]);
}

function badRequest(reason: string): string {
  const body = `${reason}\n`;
  return `HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`;
}

/**
 * Tells a client that speaks TLS to a plaintext port, or plaintext to a TLS port, what is wrong in words of its own protocol, and closes.
 * A TLS client takes any text for a "wrong version number", which is the word for this mistake.
 */
export function refuseMismatch(socket: net.Socket, spoken: 'h1' | 'h2' | 'tls'): void {
  sayLastWords(socket, spoken === 'h2' ? goAway(text.plaintext) : badRequest(spoken === 'tls' ? text.tls : text.plaintext));
}
