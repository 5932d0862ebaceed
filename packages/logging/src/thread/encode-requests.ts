import { type EncodeLoss, RecordEncoder } from '../encode/record-encoder.js';
import type { LogMessage } from '../log-message.js';
import type { Zstd } from '../zstd.js';
import { RequestUnpacker } from './request-unpacker.js';
import type { ThreadInput, ThreadOutput } from './thread-messages.js';

/** The thread's work: requests in, records out. */
export class EncodeRequests {
  readonly #zstd: Zstd | null;
  readonly #unpacker = new RequestUnpacker();
  readonly #encoder: RecordEncoder;
  #messages: Omit<LogMessage, 'schema'>[] = [];
  #lost: [number, EncodeLoss][] = [];
  #unfit = 0;

  constructor(zstd: Zstd | null) {
    this.#zstd = zstd;
    this.#encoder = new RecordEncoder({
      encoded: ({ schema: _, ...message }) => this.#messages.push(message),
      lost: (_, rows, reason) => this.#lost.push([rows, reason]),
      unfit: (_, cells) => {
        this.#unfit += cells;
      },
    });
  }

  /** Encodes all requests of a chunk. The memory of the values belongs to the caller. */
  run(input: ThreadInput): readonly ThreadOutput[] {
    const chunk = new Uint8Array(input.chunk);
    this.#unpacker.learn(input);
    this.#encoder.startAfresh(Math.min(256 * 1024, Math.max(16 * 1024, chunk.length)));
    return input.requests.map((request) => {
      this.#messages = [];
      this.#lost = [];
      this.#unfit = 0;
      let hasFailed = false;
      try {
        const task = this.#unpacker.task(request, chunk, this.#zstd);
        try {
          for (const _ of this.#encoder.encode(task));
        } finally {
          task.record.release();
        }
      } catch {
        hasFailed = true;
      }
      return { id: request.id, messages: this.#messages, lost: this.#lost, unfit: this.#unfit, hasFailed };
    });
  }
}

/** The pieces of memory that values lie in, each once. */
export function buffersOf(outputs: readonly ThreadOutput[]): ArrayBuffer[] {
  return [...new Set(outputs.flatMap(({ messages }) => messages.map(({ value }) => value.buffer as ArrayBuffer)))];
}
