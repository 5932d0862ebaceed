import { ModelServerError } from '../errors.js';
import { LONGEST_TIMER_MS } from '../longest-timer.js';
import type { InferOptions } from '../runner.js';
import type { Tensor } from '../tensor.js';
import { encodeFrame, FrameKind, layOut } from './frames.mjs';
import type { HostCall } from './host-process.js';

/** One call, and whom to tell. */
export interface PoolCallOptions {
  readonly model: number;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
  readonly resolve: (tensors: readonly Tensor[]) => void;
  readonly reject: (error: ModelServerError) => void;
}

/** One call from its caller to a process and back. */
export class PoolCall implements HostCall {
  readonly #options: PoolCallOptions;
  #stopWatching: (() => void) | null = null;
  isOver = false;
  /** Told when the process has answered, whether or not the caller still waits. */
  answered: () => void = () => {};

  constructor(options: PoolCallOptions) {
    this.#options = options;
  }

  /** Ends the call when its caller gives up or its time is over. */
  watch({ signal, timeoutMs }: InferOptions, leaveQueue: () => void): void {
    const end = (error: ModelServerError): void => {
      leaveQueue();
      this.failed(error);
    };
    if (signal?.aborted) return end(abortError(signal));
    const aborted = (): void => end(abortError(signal!));
    signal?.addEventListener('abort', aborted, { once: true });
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(
            () => end(new ModelServerError('INFERFLOW_MODEL_SERVER_DEADLINE_EXCEEDED', `the call took longer than its ${timeoutMs} ms`)),
            Math.min(timeoutMs, LONGEST_TIMER_MS),
          );
    this.#stopWatching = () => {
      signal?.removeEventListener('abort', aborted);
      clearTimeout(timer);
    };
  }

  readonly frame = (id: number): Uint8Array => {
    const { model, inputs, outputs } = this.#options;
    const meta = { model, inputs: inputs.map(({ shape, data }) => ({ shape, bytes: data.length })), outputs };
    return encodeFrame(
      FrameKind.infer,
      id,
      meta,
      inputs.map((input) => input.data),
    );
  };

  succeeded(meta: Parameters<HostCall['succeeded']>[0], payload: Uint8Array): void {
    if (!this.isOver) {
      const { positions } = layOut(meta.outputs.map((output) => output.bytes));
      this.#end();
      this.#options.resolve(
        meta.outputs.map(({ datatype, shape, bytes }, index) => ({
          name: this.#options.outputs[index]!,
          datatype,
          shape,
          data: payload.subarray(positions[index]!, positions[index]! + bytes),
        })),
      );
    }
  }

  failed(error: ModelServerError): void {
    if (this.isOver) return;
    this.#end();
    this.#options.reject(error);
  }

  #end(): void {
    this.isOver = true;
    this.#stopWatching?.();
  }
}

function abortError(signal: AbortSignal): ModelServerError {
  const reason: unknown = signal.reason;
  const isDeadline =
    typeof reason === 'object' &&
    reason !== null &&
    (('name' in reason && reason.name === 'TimeoutError') || ('code' in reason && reason.code === 'INFERFLOW_TRANSPORT_DEADLINE'));
  return isDeadline
    ? new ModelServerError('INFERFLOW_MODEL_SERVER_DEADLINE_EXCEEDED', 'the deadline of the call passed')
    : new ModelServerError('INFERFLOW_MODEL_SERVER_CANCELLED', 'the caller gave up');
}
