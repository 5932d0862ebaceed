import type { Failure } from '@inferflow/components';
import { createRequestError, type EngineError } from '../errors.js';

/** A component whose `on_failure` is `fail` has failed. */
export function componentFailed(modelConfigId: string, componentName: string, failure: Failure | null): EngineError {
  const details = { modelConfigId, componentName };
  if (failure?.reason === 'deadline') {
    return createRequestError(
      'INFERFLOW_ENGINE_DEADLINE_EXCEEDED',
      `component "${componentName}" did not end in time: ${failure.message}`,
      details,
    );
  }
  const text = failure === null ? 'it did not say why' : `${failure.reason}: ${failure.message}`;
  return createRequestError('INFERFLOW_ENGINE_COMPONENT_FAILED', `component "${componentName}" failed: ${text}`, details);
}

/** No time is left to send an answer. */
export function outOfBudget(modelConfigId: string): EngineError {
  return createRequestError('INFERFLOW_ENGINE_DEADLINE_EXCEEDED', 'the deadline of the request passed before an answer could be sent', {
    modelConfigId,
  });
}
