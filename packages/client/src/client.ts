import { createClient } from '@connectrpc/connect';
import { Inferflow, Predict } from '@inferflow/proto';
import { type CallOptions, CallRunner, checkCallOptions } from './call.js';
import { type InferflowClientOptions, type ResolvedClientOptions, resolveClientOptions } from './client-options.js';
import { ClientErrorCode, type Problem, problemsError } from './errors.js';
import { buildModelScore, type ModelScoreRequest, type ModelScoreResult, toModelScoreResult } from './model-score.js';
import type { OutputTypes } from './output-columns.js';
import {
  buildPairWise,
  buildPointWise,
  buildSlateWise,
  type PairWiseRequest,
  type PointWiseRequest,
  type SlateWiseRequest,
} from './predict-request.js';
import {
  type PairWiseResult,
  type PointWiseResult,
  type SlateWiseResult,
  toPairWiseResult,
  toPointWiseResult,
  toSlateWiseResult,
} from './predict-result.js';

/** Settings of one Predict call. */
export interface PredictCallOptions extends CallOptions {
  /** How to read output columns whose declared type is not what their bytes are. @default {} */
  readonly outputTypes?: OutputTypes;
}

/**
 * Scores targets through an Inferflow server. Every method rejects with a
 * {@link ClientError} and nothing else; a request with anything wrong in it is
 * not sent.
 */
export interface InferflowClient {
  /** Scores every target on its own. */
  inferPointWise(request: PointWiseRequest, options?: PredictCallOptions): Promise<PointWiseResult>;
  /** Scores pairs of targets, and the targets. */
  inferPairWise(request: PairWiseRequest, options?: PredictCallOptions): Promise<PairWiseResult>;
  /** Scores ordered groups of targets, and the targets. */
  inferSlateWise(request: SlateWiseRequest, options?: PredictCallOptions): Promise<SlateWiseResult>;
  /** The text API of older callers. */
  retrieveModelScore(request: ModelScoreRequest, options?: CallOptions): Promise<ModelScoreResult>;
  /** Refuses new calls, waits for those in flight (at most `graceMs`, then they are aborted), releases the transport. @default graceMs 5000 */
  close(graceMs?: number): Promise<void>;
}

/** Creates a client over any Connect transport. @throws ClientError naming every wrong option */
export function createInferflowClient(options: InferflowClientOptions): InferflowClient {
  const resolved = resolveClientOptions(options);
  const runner = new CallRunner(resolved);
  const predict = createClient(Predict, resolved.transport);
  const inferflow = createClient(Inferflow, resolved.transport);
  return {
    async inferPointWise(request, callOptions = {}) {
      const call = prepare(resolved, request, callOptions, buildPointWise);
      const response = await runner.run({ method: 'InferPointWise', ...call.subject }, callOptions, (attempt) =>
        predict.inferPointWise(call.message, attempt),
      );
      return toPointWiseResult(request, call.subject.trackingId, response, callOptions.outputTypes ?? {});
    },
    async inferPairWise(request, callOptions = {}) {
      const call = prepare(resolved, request, callOptions, buildPairWise);
      const response = await runner.run({ method: 'InferPairWise', ...call.subject }, callOptions, (attempt) =>
        predict.inferPairWise(call.message, attempt),
      );
      return toPairWiseResult(request, call.subject.trackingId, response, callOptions.outputTypes ?? {});
    },
    async inferSlateWise(request, callOptions = {}) {
      const call = prepare(resolved, request, callOptions, buildSlateWise);
      const response = await runner.run({ method: 'InferSlateWise', ...call.subject }, callOptions, (attempt) =>
        predict.inferSlateWise(call.message, attempt),
      );
      return toSlateWiseResult(request, call.subject.trackingId, response, callOptions.outputTypes ?? {});
    },
    async retrieveModelScore(request, given = {}) {
      const callOptions = withUserHeaders(given, request);
      const call = prepare(resolved, request, callOptions, (message, trackingId, _form, problems) =>
        buildModelScore(message, trackingId, problems),
      );
      const response = await runner.run({ method: 'RetrieveModelScore', ...call.subject }, callOptions, (attempt) =>
        inferflow.retrieveModelScore(call.message, attempt),
      );
      return toModelScoreResult(request, call.subject.trackingId, response);
    },
    close: (graceMs = 5000) => runner.close(graceMs),
  };
}

type Build<Request, Message> = (
  request: Request,
  trackingId: string,
  form: ResolvedClientOptions['requestValues'],
  problems: Problem[],
) => Message;

// Builds the message and throws for everything that is wrong with request and options.
function prepare<Request extends { readonly modelConfigId: string; readonly trackingId?: string }, Message>(
  options: ResolvedClientOptions,
  request: Request,
  callOptions: CallOptions,
  build: Build<Request, Message>,
) {
  const problems: Problem[] = [];
  if (typeof request !== 'object' || request === null) {
    problems.push({ path: 'request', message: 'expected an object' });
    throw problemsError(ClientErrorCode.requestInvalid, 'invalid request', problems);
  }
  // Without a tracking id nothing is logged, so an empty one counts as none.
  const trackingId = request.trackingId === undefined || request.trackingId === '' ? options.createTrackingId() : request.trackingId;
  if (typeof trackingId !== 'string') {
    problems.push({ path: 'trackingId', message: `expected a string, got a ${typeof trackingId}` });
  }
  checkCallOptions(callOptions, problems);
  const message = build(request, trackingId, options.requestValues, problems);
  if (problems.length > 0) {
    throw problemsError(ClientErrorCode.requestInvalid, 'invalid request', problems);
  }
  return { message, subject: { modelConfigId: request.modelConfigId, trackingId } };
}

function withUserHeaders(options: CallOptions, request: ModelScoreRequest): CallOptions {
  const headers: Record<string, string> = {};
  // Whether there is a request at all is told later.
  const { userId, appVersionCode } = request ?? {};
  if (userId !== undefined) headers['user-id'] = userId;
  if (appVersionCode !== undefined) headers['app-version-code'] = appVersionCode;
  return { ...options, headers: { ...options.headers, ...headers } };
}
