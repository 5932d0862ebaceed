import type { Tensor, TensorSpec } from './tensor.js';

/** How one call is to be run. */
export interface InferOptions {
  /** Names of the wanted outputs, in order. @default all, as declared */
  readonly outputs?: readonly string[];
  /** Ends the call early; a run that has begun is finished and thrown away. */
  readonly signal?: AbortSignal;
  /** Longest time the caller waits, in ms. @default no limit but the runner's */
  readonly timeoutMs?: number;
}

/**
 * Something that computes a model: an ONNX session in another process, a JavaScript function, a Python process. Inputs were
 * checked against `inputs` before they come here.
 */
export interface Runner {
  /** Kind of model, as the protocol's metadata names it: `onnx_onnxv1`, `javascript`, … */
  readonly platform: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Whether a call has a chance right now. */
  readonly isReady: boolean;
  /**
   * Runs the model once over all rows. Answers the wanted outputs in order; their data belongs to the caller.
   *
   * @throws ModelServerError
   */
  infer(inputs: readonly Tensor[], options: InferOptions): Promise<readonly Tensor[]>;
}
