import { Worker } from 'node:worker_threads';
import type { EncodeLoss, EncodeTask } from '../encode/record-encoder.js';
import type { LogMessage } from '../log-message.js';
import type { LogSchema } from '../schema/log-schema.js';
import { RequestPacker } from './request-packer.js';
import type { ThreadInput, ThreadOutput } from './thread-messages.js';

/** Told what became of a request that was given to the thread. Every row is told once: as part of a message, or as lost. */
export interface TaskOwner {
  encoded(message: LogMessage): void;
  lost(modelConfigId: string, rows: number, reason: EncodeLoss | 'encoding_error' | 'encode_thread_ended'): void;
  unfit(modelConfigId: string, cells: number): void;
}

/** The channel to a thread; a worker fits. */
export interface ThreadChannel {
  postMessage(message: unknown, transfer: readonly ArrayBuffer[]): void;
  on(event: 'message', listener: (outputs: readonly ThreadOutput[]) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'exit', listener: () => void): unknown;
  terminate(): unknown;
}

/** Options of {@link EncodeThread}. */
export interface EncodeThreadOptions {
  /** Told once, when the thread is gone and encoding goes on without it. */
  readonly onEnded?: (error: Error) => void;
  /** @default a worker thread */
  readonly channel?: ThreadChannel;
}

interface Pending {
  readonly owner: TaskOwner;
  readonly modelConfigId: string;
  readonly schema: LogSchema;
  readonly rows: number;
  readonly bytes: number;
}

/**
 * Encodes requests on a thread of its own. Requests go there in chunks whose memory is transferred, records come back the same way. When
 * the thread dies, what it had is told as lost, and `isUp` is false from then on.
 */
export class EncodeThread {
  readonly #channel: ThreadChannel;
  readonly #options: EncodeThreadOptions;
  readonly #packer = new RequestPacker();
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #pendingBytes = 0;
  #isUp = true;
  #isClosed = false;

  constructor(options: EncodeThreadOptions = {}) {
    this.#options = options;
    this.#channel = options.channel ?? workerChannel();
    this.#channel.on('message', (outputs) => {
      for (const output of outputs) this.#done(output);
    });
    this.#channel.on('error', (error) => this.#ended(error));
    this.#channel.on('exit', () => this.#ended(new Error('the thread that encodes inference logs ended')));
  }

  /** Whether requests may be given to it. */
  get isUp(): boolean {
    return this.#isUp && !this.#isClosed;
  }

  /** Whether it has requests whose records are not back. */
  get hasWork(): boolean {
    return this.#pending.size > 0;
  }

  /** Memory of the requests that it has. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Takes a request; its buffers are free again when this returns. `flush` sends it. */
  add(task: EncodeTask, owner: TaskOwner): void {
    const id = this.#nextId++;
    const { record, schema } = task;
    const bytes = this.#packer.add(id, task);
    this.#pending.set(id, { owner, modelConfigId: record.plan.modelConfigId, schema, rows: record.rowCount, bytes });
    this.#pendingBytes += bytes;
    if (this.#packer.isFull) this.flush();
  }

  /** Sends what was added. */
  flush(): void {
    if (this.#packer.isEmpty || !this.#isUp) return;
    const input: ThreadInput = this.#packer.take();
    this.#channel.postMessage(input, [input.chunk]);
  }

  /** Ends the thread; what it still has is told as lost. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#drop();
    await this.#channel.terminate();
  }

  #done({ id, messages, lost, unfit, hasFailed }: ThreadOutput): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    this.#pendingBytes -= pending.bytes;
    const { owner, modelConfigId, schema } = pending;
    let rows = pending.rows;
    for (const message of messages) {
      rows -= message.rowCount;
      owner.encoded({ ...message, schema });
    }
    for (const [lostRows, reason] of lost) {
      rows -= lostRows;
      owner.lost(modelConfigId, lostRows, reason);
    }
    if (unfit > 0) owner.unfit(modelConfigId, unfit);
    if (hasFailed && rows > 0) owner.lost(modelConfigId, rows, 'encoding_error');
  }

  #ended(error: Error): void {
    if (!this.#isUp || this.#isClosed) return;
    this.#isUp = false;
    this.#drop();
    this.#options.onEnded?.(error);
  }

  #drop(): void {
    for (const { owner, modelConfigId, rows } of this.#pending.values()) owner.lost(modelConfigId, rows, 'encode_thread_ended');
    this.#pending.clear();
    this.#pendingBytes = 0;
  }
}

function workerChannel(): ThreadChannel {
  const worker = new Worker(new URL('./encode-worker.js', import.meta.url));
  worker.unref();
  return worker as unknown as ThreadChannel;
}
