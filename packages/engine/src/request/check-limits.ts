import type { InferflowRequestScan, PredictRequestScan } from '@inferflow/proto/hot';
import { createRequestError, type EngineError } from '../errors.js';
import type { Limits } from './limits.js';

/** The first limit that a Predict request passes, or null. */
export function checkPredictLimits(scan: PredictRequestScan, limits: Limits): EngineError | null {
  const targets = scan.targets.count;
  const slates = scan.slates.count;
  const targetFeatures = scan.targetSchema.count;
  const slateFeatures = scan.slateSchema.count;
  if (targets > limits.maxTargets) return passed('targets', `${targets} targets`, limits.maxTargets);
  if (slates > limits.maxSlates) return passed('slates', `${slates} pairs or slates`, limits.maxSlates);
  const features = targetFeatures + slateFeatures + scan.contextFeatures.count;
  if (features > limits.maxFeatures) return passed('target_input_schema', `${features} features`, limits.maxFeatures);
  const cells = targets * (1 + targetFeatures) + slates * slateFeatures;
  if (cells > limits.maxCells) return passed('targets', `${cells} values`, limits.maxCells);
  return null;
}

/** The first limit that a `RetrieveModelScore` request passes, or null. */
export function checkInferflowLimits(scan: InferflowRequestScan, rowCount: number, columns: number, limits: Limits): EngineError | null {
  if (rowCount > limits.maxTargets) return passed('entities[0].ids', `${rowCount} ids`, limits.maxTargets);
  if (columns > limits.maxFeatures) return passed('entities', `${columns} entities and features`, limits.maxFeatures);
  const cells = rowCount * columns;
  if (cells > limits.maxCells) return passed('entities', `${cells} values in ${scan.entities.count} entities`, limits.maxCells);
  return null;
}

/** The bound on slate members, known once they have been read. */
export function checkSlateTargets(count: number, limits: Limits): EngineError | null {
  return count > limits.maxSlateTargets ? passed('slates', `${count} target indices`, limits.maxSlateTargets) : null;
}

/** The bound on the message, for doors that have it whole. */
export function checkMessageBytes(byteLength: number, limits: Limits): EngineError | null {
  return byteLength > limits.maxMessageBytes ? passed('', `a message of ${byteLength} bytes`, limits.maxMessageBytes) : null;
}

function passed(field: string, what: string, limit: number): EngineError {
  const description = `the request has ${what}; the limit is ${limit}`;
  return createRequestError('INFERFLOW_ENGINE_LIMIT_EXCEEDED', description, { violations: [{ field, description }] });
}
