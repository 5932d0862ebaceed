import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { addAbortSignal, type Readable } from 'node:stream';
import { recordBytes } from './record-bytes.js';

/** A record of an input, and where it was. */
export interface LoggedMessage {
  readonly place: string;
  /** null: the place holds something else. */
  readonly bytes: Uint8Array | null;
  /** When it was written, if the input says so. */
  readonly timeMs?: number;
}

/** Told how much of an input has been read. */
export type OnProgress = (readBytes: number, totalBytes: number) => void;

/**
 * Records of a file or stdin (`-`): one JSON object or one base64 text a line, else the whole content is one record. Lines of a service's
 * own log are passed over. `signal` ends the list, also while nothing comes.
 */
export async function* loggedMessages(path: string, onProgress: OnProgress, signal: AbortSignal): AsyncGenerator<LoggedMessage> {
  const total = path === '-' ? 0 : (await stat(path)).size;
  const stream = path === '-' ? process.stdin : createReadStream(path);
  const first = await firstChunk(stream, signal);
  if (first === null) return;
  if (!isText(first)) {
    const chunks = [first];
    try {
      for await (const chunk of addAbortSignal(signal, stream)) chunks.push(chunk as Buffer);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    yield { place: path, bytes: new Uint8Array(Buffer.concat(chunks)) };
    return;
  }
  stream.unshift(first);
  let line = 0;
  let read = 0;
  for await (const text of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY, signal })) {
    line++;
    read += Buffer.byteLength(text) + 1;
    if (text.trim() === '') continue;
    const message = lineMessage(`${path}:${line}`, text.trim());
    if (message !== null) yield message;
    onProgress(read, total);
  }
}

function lineMessage(place: string, text: string): LoggedMessage | null {
  if (!text.startsWith('{')) return { place, bytes: recordBytes(text) };
  try {
    const entry = JSON.parse(text) as {
      readonly message?: unknown;
      readonly value?: unknown;
      readonly created_at?: unknown;
      readonly level?: unknown;
    };
    const content = entry.message ?? entry.value;
    if (typeof content !== 'string' || entry.level !== undefined) return entry.level === undefined ? { place, bytes: null } : null;
    const timeMs = typeof entry.created_at === 'string' ? Date.parse(entry.created_at) : Number.NaN;
    return { place, bytes: recordBytes(content), ...(Number.isFinite(timeMs) && { timeMs }) };
  } catch {
    return { place, bytes: null };
  }
}

function isText(bytes: Uint8Array): boolean {
  return !bytes.some((byte) => byte < 9 || (byte > 13 && byte < 32));
}

async function firstChunk(stream: Readable, signal: AbortSignal): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      stream.off('end', ended);
      stream.off('error', failed);
      stream.off('readable', readable);
      signal.removeEventListener('abort', ended);
    };
    const ended = (): void => {
      done();
      // Nobody waits for the rest any more: the process may end.
      if (signal.aborted) stream.destroy();
      resolve(null);
    };
    const failed = (error: Error): void => {
      done();
      reject(error);
    };
    stream.once('end', ended);
    stream.once('error', failed);
    const readable = (): void => {
      const chunk = stream.read() as Buffer | null;
      done();
      resolve(chunk);
    };
    stream.once('readable', readable);
    signal.addEventListener('abort', ended, { once: true });
    if (signal.aborted) ended();
  });
}
