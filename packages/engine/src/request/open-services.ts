import type { Caller } from '../caller.js';
import type { BoundPlan, RunMemory } from '../compile/bind-plan.js';
import type { EngineMethod } from '../engine.js';
import type { EngineDefaults } from '../engine-options.js';
import type { EngineMetrics } from '../metrics.js';
import type { ModelTable } from '../model-table.js';
import type { RequestRun } from '../run/request-run.js';
import type { Budget } from './budget.js';
import type { KeptMessage } from './kept-message.js';
import type { Limits } from './limits.js';
import type { HeaderFlags } from './predict-schema.js';
import { putBroadcastText } from './request-blocks.js';
import { entityHeaders, type RequestSchema } from './request-schema.js';

/** What turning requests into runs needs from the engine. */
export interface OpenServices {
  readonly table: ModelTable;
  readonly limits: Limits;
  readonly defaults: EngineDefaults;
  readonly metrics: EngineMetrics;
  readonly memory: RunMemory;
  /** An idle run of the bound plan, or a new one. */
  takeRun(bound: BoundPlan): RequestRun;
}

/** A request to be turned into a run. */
export interface OpenRequest {
  readonly method: EngineMethod;
  readonly caller: Caller;
  readonly message: KeptMessage;
  /** When it arrived, `performance.now()` clock. */
  readonly startedAt: number;
  readonly budget: Budget;
}

/** Which of the two headers that become columns a call has. */
export function headerFlagsOf(caller: Caller): HeaderFlags {
  return {
    hasUserId: (caller.header(entityHeaders.userId) ?? '') !== '',
    hasAppVersion: (caller.header(entityHeaders.appVersion) ?? '') !== '',
  };
}

const methodNumbers: Readonly<Record<EngineMethod, number>> = {
  InferPointWise: 0,
  InferPairWise: 1,
  InferSlateWise: 2,
  RetrieveModelScore: 3,
};

/** First word of a schema key. */
export function keyHead(method: EngineMethod, headers: HeaderFlags): number {
  return methodNumbers[method] | (headers.hasUserId ? 4 : 0) | (headers.hasAppVersion ? 8 : 0);
}

/** Fills the broadcast columns that come from headers. A header that came more than once counts with its first value. */
export function putHeaderEntities(run: RequestRun, schema: RequestSchema): void {
  const block = run.blocks.broadcast;
  if (block === null) return;
  if (schema.userIdSlot >= 0) putBroadcastText(block, schema.userIdSlot, run.header(entityHeaders.userId) ?? '');
  if (schema.appVersionSlot >= 0) putBroadcastText(block, schema.appVersionSlot, run.header(entityHeaders.appVersion) ?? '');
}
