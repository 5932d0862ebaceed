import type { Problem } from '@inferflow/config';
import type { ModelPlan } from '../compile/model-plan.js';
import type { EngineMethod } from '../engine.js';
import { createRequestError, type EngineError } from '../errors.js';
import { boundedMessage } from '../failure-text.js';
import type { LiveModel, ModelTable } from '../model-table.js';

const SHOWN_ID_LENGTH = 200;
const SHOWN_PROBLEMS = 10;

/** The plan of a model, or why there is none. */
export function findPlan(table: ModelTable, method: EngineMethod, modelConfigId: string): ModelPlan | EngineError {
  const model = table.get(modelConfigId);
  if (model?.plan != null) return model.plan;
  return model === undefined ? unknownModel(method, modelConfigId) : refusedModel(method, model);
}

/** The first text is the one that clients of the original know. */
function unknownModel(method: EngineMethod, modelConfigId: string, problems: readonly Problem[] = []): EngineError {
  const shown = modelConfigId.length > SHOWN_ID_LENGTH ? `${modelConfigId.slice(0, SHOWN_ID_LENGTH)}…` : modelConfigId;
  const description = `model config not found or invalid for id: ${shown}`;
  const message = method === 'RetrieveModelScore' ? 'something went wrong!' : description;
  return createRequestError('INFERFLOW_ENGINE_UNKNOWN_MODEL', message, {
    violations: [{ field: 'model_config_id', description }, ...toViolations(problems)],
  });
}

function refusedModel(method: EngineMethod, { entry }: LiveModel): EngineError {
  if (entry.state === 'warming') {
    const message = `model config "${entry.modelConfigId}" is new and being prepared; it serves in a moment`;
    return createRequestError('INFERFLOW_ENGINE_MODEL_REFUSED', message, { modelConfigId: entry.modelConfigId });
  }
  const errors = entry.problems.filter(({ severity }) => severity === 'error');
  if (hasNothingToRun(errors)) return unknownModel(method, entry.modelConfigId, errors);
  const first = errors[0];
  const reason = first === undefined ? 'it could not be compiled' : boundedMessage(`${first.path}: ${first.message}`);
  return createRequestError(
    'INFERFLOW_ENGINE_MODEL_REFUSED',
    `model config "${entry.modelConfigId}" was refused and has no earlier good version: ${reason}`,
    { violations: toViolations(errors), modelConfigId: entry.modelConfigId },
  );
}

/** To callers of the original such a model does not exist. */
function hasNothingToRun(errors: readonly Problem[]): boolean {
  return errors.length > 0 && errors.every(({ code }) => code === 'INFERFLOW_CONFIG_NO_COMPONENTS');
}

function toViolations(problems: readonly Problem[]): { readonly field: string; readonly description: string }[] {
  return problems
    .slice(0, SHOWN_PROBLEMS)
    .map(({ path, message }) => ({ field: boundedMessage(path), description: boundedMessage(message) }));
}

/** Bytes that are not the message they should be. */
export function malformedRequest(method: EngineMethod, part: string, modelConfigId = ''): EngineError {
  const description = `the message is not a valid ${messageNames[method]}${part === '' ? '' : `: ${part} is malformed`}`;
  return createRequestError('INFERFLOW_ENGINE_MALFORMED_REQUEST', description, {
    violations: [{ field: part, description }],
    modelConfigId,
  });
}

const messageNames: Readonly<Record<EngineMethod, string>> = {
  InferPointWise: 'PointWiseRequest',
  InferPairWise: 'PairWiseRequest',
  InferSlateWise: 'SlateWiseRequest',
  RetrieveModelScore: 'InferflowRequestProto',
};
