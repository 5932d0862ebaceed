// A caller over node:http2 that behaves: it moves on after a GOAWAY and repeats what the server says it has not processed.
import http2 from 'node:http2';
import { patient } from './patience.mjs';

const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM } = http2.constants;

export const frame = (message) => {
  const framed = Buffer.allocUnsafe(message.length + 5);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
};

/** How a call ended; `notProcessed` means that the server promised not to have begun. */
const ended = (code, message, extra = {}) => ({ code, message, body: null, notProcessed: false, details: null, ...extra });

export class Client {
  goaways = 0;
  sessions = 0;
  #session = null;

  constructor(port) {
    this.port = port;
  }

  get session() {
    const current = this.#session;
    if (current !== null && !current.closed && !current.destroyed) return current;
    const session = http2.connect(`http://127.0.0.1:${this.port}`, { maxSessionMemory: 1000 });
    this.sessions++;
    session.on('error', () => {});
    session.on('goaway', () => {
      this.goaways++;
      if (this.#session === session) this.#session = null;
      session.close();
    });
    this.#session = session;
    return session;
  }

  /** Starts a call; `result` resolves with how it ended, `stream` is there to be abused. */
  start(path, message, { deadlineMs, headers = {}, timeoutMs = 10_000, raw = false } = {}) {
    let stream;
    try {
      stream = this.session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...(deadlineMs !== undefined && { 'grpc-timeout': `${deadlineMs}m` }),
        ...headers,
      });
    } catch (error) {
      return { stream: null, result: Promise.resolve(ended(14, error.message, { notProcessed: true })) };
    }
    const session = this.#session;
    const result = new Promise((resolve) => {
      const chunks = [];
      let head = {};
      let trailers = {};
      let problem = null;
      const timer = setTimeout(() => {
        resolve(ended(-1, `no answer after ${patient(timeoutMs)} ms`));
        stream.close(NGHTTP2_CANCEL);
      }, patient(timeoutMs));
      stream.on('response', (received) => {
        head = received;
      });
      stream.on('trailers', (received) => {
        trailers = received;
      });
      stream.on('data', (chunk) => chunks.push(chunk));
      stream.on('error', (error) => {
        problem = error;
      });
      stream.on('close', () => {
        clearTimeout(timer);
        const status = trailers['grpc-status'] ?? head['grpc-status'];
        if (status === undefined) {
          const isUnsent = stream.id === undefined || session.connecting;
          const notProcessed = stream.rstCode === NGHTTP2_REFUSED_STREAM || isUnsent;
          resolve(ended(14, problem?.message ?? `reset ${stream.rstCode}, HTTP ${head[':status'] ?? 'none'}`, { notProcessed, head }));
          return;
        }
        const text = String(trailers['grpc-message'] ?? head['grpc-message'] ?? '');
        const details = trailers['grpc-status-details-bin'] ?? head['grpc-status-details-bin'];
        const received = Buffer.concat(chunks);
        resolve({
          code: Number(status),
          message: decodeURIComponent(text),
          body: Number(status) === 0 ? received.subarray(5) : null,
          notProcessed: false,
          details: details === undefined ? null : Buffer.from(String(details), 'base64'),
          head,
        });
      });
    });
    stream.end(raw ? message : frame(message));
    return { stream, result };
  }

  /** One call, repeated on a new connection while the server says that it has not begun with it. */
  async unary(path, message, options = {}) {
    for (let turn = 0; ; turn++) {
      const answer = await this.start(path, message, options).result;
      if (!answer.notProcessed || turn >= (options.repeats ?? 0)) return answer;
    }
  }

  close() {
    this.#session?.destroy();
    this.#session = null;
  }
}
