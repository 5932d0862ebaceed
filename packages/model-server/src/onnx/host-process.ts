import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { ModelServerError } from '../errors.js';
import type { TensorSpec } from '../tensor.js';
import { encodeFrame, FrameKind, FrameReader } from './frames.mjs';

/** A model for a host to load: a file, or the bytes of one. */
export interface HostModel {
  readonly name: string;
  readonly file?: string;
  readonly bytes?: Uint8Array;
}

/** What a loaded model takes and gives. */
export interface HostSignature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** One call to a host. Exactly one of the two is called, once. */
export interface HostCall {
  readonly frame: (id: number) => Uint8Array;
  succeeded(
    meta: { readonly outputs: readonly { readonly datatype: string; readonly shape: readonly number[]; readonly bytes: number }[] },
    payload: Uint8Array,
  ): void;
  failed(error: ModelServerError): void;
  /** Told after one of them when the process has answered, not when it ended. */
  answered(): void;
}

/** What one process is to load, and whom it tells. */
export interface HostProcessOptions {
  readonly models: readonly HostModel[];
  /** Threads of one run. */
  readonly intraOpThreads: number;
  /** The program to run. */
  readonly program: URL;
  /** The process ended. `unfinished` were sent and not answered, in order: the first may have been running, the others had not begun. */
  readonly ended: (reason: string, unfinished: readonly HostCall[]) => void;
}

/**
 * A child process that runs models, one call after the other.
 *
 * Making one throws a ModelServerError, INFERFLOW_MODEL_SERVER_UNAVAILABLE, when the system starts no process; `ended` is not called then.
 */
export class HostProcess {
  /** Settles when the models are loaded, or cannot be. */
  readonly loaded: Promise<readonly HostSignature[]>;
  /** Settles when the process is gone. */
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #pending = new Map<number, HostCall>();
  #nextId = 1;
  #killReason = '';
  #settleLoad: { resolve(signatures: readonly HostSignature[]): void; reject(error: ModelServerError): void } | null = null;

  constructor(options: HostProcessOptions) {
    this.#child = startProgram(options.program);
    // The fourth entry of stdio is a socket because it was asked for as a pipe.
    this.#socket = this.#child.stdio[3] as Socket;
    this.loaded = new Promise((resolve, reject) => {
      this.#settleLoad = { resolve, reject };
    });
    let tellExited = (): void => {};
    this.exited = new Promise((resolve) => {
      tellExited = resolve;
    });
    const reader = new FrameReader((kind, id, meta, payload) => this.#receive(kind, id, meta, payload));
    this.#socket.on('data', (chunk: Uint8Array) => {
      try {
        reader.push(chunk);
      } catch (error) {
        // Only when something else wrote into the pipe; there is no way back into step.
        this.kill(error instanceof Error ? error.message : 'its messages make no sense');
      }
    });
    // The end of the process says all there is to say.
    this.#socket.on('error', () => {});
    let isOver = false;
    const over = (reason: string): void => {
      if (isOver) return;
      isOver = true;
      const unfinished = [...this.#pending.values()];
      this.#pending.clear();
      this.#settleLoad?.reject(
        new ModelServerError('INFERFLOW_MODEL_SERVER_UNAVAILABLE', `the inference process ended while it loaded (${reason})`),
      );
      this.#settleLoad = null;
      options.ended(reason, unfinished);
      tellExited();
    };
    this.#child.on('error', (error) => over(error.message));
    this.#child.on('exit', (code, signal) => over(this.#killReason || (signal === null ? `exit code ${code}` : signal)));
    // An idle runner must not keep a program alive that is otherwise done.
    this.#child.unref();
    const bytes = options.models.map((model) => model.bytes ?? new Uint8Array(0));
    const models = options.models.map(({ name, file, bytes: content }) => ({
      name,
      ...(file === undefined ? { bytes: content?.length ?? 0 } : { file }),
    }));
    this.#socket.write(encodeFrame(FrameKind.load, 0, { models, intraOpThreads: options.intraOpThreads }, bytes));
  }

  /** Calls that were sent and not answered. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Id of the process. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  send(call: HostCall): void {
    const id = this.#nextId;
    this.#nextId = id === 0xffffffff ? 1 : id + 1;
    this.#pending.set(id, call);
    this.#socket.ref();
    this.#socket.write(call.frame(id));
  }

  /** Ends the process now; its calls come back through `ended`. */
  kill(reason: string): void {
    this.#killReason = reason;
    // Whoever waits for the end must live to see it.
    this.#child.ref();
    this.#child.kill('SIGKILL');
  }

  #receive(kind: number, id: number, meta: unknown, payload: Uint8Array): void {
    if (kind === FrameKind.loaded) {
      // The other side is our own program: its messages have the shapes below.
      this.#settleLoad?.resolve((meta as { models: readonly HostSignature[] }).models);
      this.#settleLoad = null;
      this.#socket.unref();
      return;
    }
    if (kind === FrameKind.failed && id === 0) {
      this.#settleLoad?.reject(loadError(meta as { kind: string; message: string }));
      this.#settleLoad = null;
      return;
    }
    const call = this.#pending.get(id);
    if (call === undefined) return;
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#socket.unref();
    if (kind === FrameKind.result) call.succeeded(meta as Parameters<HostCall['succeeded']>[0], payload);
    else call.failed(runError(meta as { kind: string; message: string }));
    call.answered();
  }
}

function startProgram(program: URL): ChildProcess {
  const refused = (cause: unknown): ModelServerError =>
    new ModelServerError(
      'INFERFLOW_MODEL_SERVER_UNAVAILABLE',
      `the inference process cannot be started: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    );
  let child: ChildProcess;
  try {
    child = spawn(process.execPath, [fileURLToPath(program)], { stdio: ['ignore', 'ignore', 'inherit', 'pipe'], windowsHide: true });
  } catch (cause) {
    throw refused(cause);
  }
  // Against its types: without a free file descriptor there are no pipes, and an event follows that must not go unheard.
  const stdio: ChildProcess['stdio'] | undefined = child.stdio;
  if (stdio !== undefined) return child;
  child.on('error', () => {});
  throw refused('no file descriptor is free');
}

function runError({ kind, message }: { readonly kind: string; readonly message: string }): ModelServerError {
  return new ModelServerError(kind === 'input' ? 'INFERFLOW_MODEL_SERVER_INPUT_INVALID' : 'INFERFLOW_MODEL_SERVER_RUN_FAILED', message);
}

function loadError({ kind, message }: { readonly kind: string; readonly message: string }): ModelServerError {
  if (kind !== 'dependency') return new ModelServerError('INFERFLOW_MODEL_SERVER_MODEL_INVALID', message);
  return new ModelServerError(
    'INFERFLOW_MODEL_SERVER_DEPENDENCY_MISSING',
    `ONNX models need the package onnxruntime-node; install it with: npm install --ignore-scripts onnxruntime-node (its install script only fetches files for GPUs). ${message}`,
  );
}
