import type { Failure } from '@inferflow/components';
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

/** So many requests wait that this one's turn would come too late. */
export function overloaded(modelConfigId: string, retryAfterMs: number): EngineError {
  return createRequestError('INFERFLOW_ENGINE_OVERLOADED', 'more requests wait than can be answered within the deadline of this one', {
    modelConfigId,
    retryAfterMs,
  });
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
