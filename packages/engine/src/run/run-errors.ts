import { createFailure, type Failure } from '@inferflow/components';
import { GrpcCode } from '@inferflow/transport';
import { createRequestError, EngineError } from '../errors.js';
import { boundedMessage, failureText } from '../failure-text.js';

/** A component whose `on_failure` is `fail` has failed. */
export function componentFailed(modelConfigId: string, componentName: string, failure: Failure | null): EngineError {
  const details = { modelConfigId, componentName };
  if (failure?.reason === 'deadline') {
    return createRequestError(
      'INFERFLOW_ENGINE_DEADLINE_EXCEEDED',
      `component "${componentName}" did not end in time: ${boundedMessage(failure.message)}`,
      details,
    );
  }
  const text = failure === null ? 'it did not say why' : failureText(failure);
  return createRequestError('INFERFLOW_ENGINE_COMPONENT_FAILED', `component "${componentName}" failed: ${text}`, details);
}

/** A component that waited for others until the time was up. */
export function notBegun(componentName: string): Failure {
  const text = 'the request ran out of time before the component began';
  return createFailure('deadline', text, componentName, GrpcCode.DEADLINE_EXCEEDED);
}

/** So many requests of a model wait that another one's turn would come too late. Made once per hint: a refusal must cost next to nothing. */
export class OverloadErrors {
  readonly #modelConfigId: string;
  readonly #errors = new Map<number, EngineError>();

  constructor(modelConfigId: string) {
    this.#modelConfigId = modelConfigId;
  }

  /** @param retryAfterMs one of few values */
  of(retryAfterMs: number): EngineError {
    let error = this.#errors.get(retryAfterMs);
    if (error === undefined) {
      const message = 'more requests wait than can be answered within the deadline of this one';
      error = createRequestError('INFERFLOW_ENGINE_OVERLOADED', message, { modelConfigId: this.#modelConfigId, retryAfterMs });
      this.#errors.set(retryAfterMs, error);
    }
    return error;
  }
}

/** The caller left. */
export function cancelled(modelConfigId: string): EngineError {
  return createRequestError('INFERFLOW_ENGINE_CANCELLED', 'the caller cancelled the request', { modelConfigId });
}

/** A defect. What is wrong is logged; the caller learns only that something is. */
export function internalError(cause: unknown): EngineError {
  return new EngineError('INFERFLOW_ENGINE_INTERNAL', 'Internal server error', { cause });
}

/** No time is left to send an answer. */
export function outOfBudget(modelConfigId: string): EngineError {
  return createRequestError('INFERFLOW_ENGINE_DEADLINE_EXCEEDED', 'the deadline of the request passed before an answer could be sent', {
    modelConfigId,
  });
}
