import type { Duplex } from 'node:stream';
import { isAnswering } from './cold-requests.js';
import { sayLastWords } from './last-words.js';

const statusOf: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** Answers what is no request of HTTP/1.1, as Node does; but that closes at once, and then the answer may be lost. Told again of all that follows. */
export function refuseHttp1(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (socket.writableEnded) return;
  if (!socket.writable || isAnswering(socket)) socket.destroy();
  else sayLastWords(socket, `HTTP/1.1 ${statusOf[error.code ?? ''] ?? '400 Bad Request'}\r\nConnection: close\r\n\r\n`);
}
