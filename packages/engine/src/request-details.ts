import { outcomeName } from '@inferflow/proto';
import { readUtf8 } from '@inferflow/proto/hot';
import type { BoundPlan } from './compile/bind-plan.js';
import { SlateBlock, TargetBlock } from './compile/model-plan.js';
import type { LoggedBlock, LoggedCalls, LoggedOutcome, RequestDetails } from './log-tap.js';
import { reasonOf, statusOf } from './respond/quality.js';
import { collectRowErrors } from './respond/row-errors.js';
import type { RequestRun } from './run/request-run.js';

interface PlanBlocks {
  readonly target: readonly (LoggedBlock | null)[];
  readonly slate: readonly (LoggedBlock | null)[];
}

// The same for all requests of a bound plan.
const blocksOfPlans = new WeakMap<BoundPlan, PlanBlocks>();

/** What a run that has been answered knows beside its columns. Nothing of it points into the run. */
export function requestDetails(run: RequestRun): RequestDetails {
  const { bound } = run;
  let blocks = blocksOfPlans.get(bound);
  if (blocks === undefined) {
    blocks = describeBlocks(bound);
    blocksOfPlans.set(bound, blocks);
  }
  const errors = collectRowErrors(run);
  return {
    components: bound.plan.components.map((_, index) => outcomeOf(run, index)),
    targetBlocks: blocks.target,
    slateBlocks: run.slate === null ? [] : blocks.slate,
    responseColumns: bound.plan.config.response.features,
    routeHash: run.routeHash,
    targetErrors: errors.targets,
    slateErrors: errors.slates,
  };
}

function outcomeOf(run: RequestRun, index: number): LoggedOutcome {
  const { name, config } = run.bound.plan.components[index] as (typeof run.bound.plan.components)[number];
  const state = run.states[index] ?? null;
  const reason = reasonOf(run, index);
  return {
    componentName: name,
    kind: config.kind === 'plugin' ? config.type : config.kind,
    status: outcomeName(statusOf(run, index)) ?? 'failed',
    reason: reason === null ? '' : readUtf8(reason, 0, reason.length),
    startMs: Math.max(run.outcomes.startedAt(index) - run.startedAt, 0),
    durationMs: run.outcomes.durationMs(index),
    defaultedInputs: state?.faults.defaultedCells ?? 0,
    calls: state === null || state.calls.count === 0 ? null : callsOf(state.calls),
  };
}

function callsOf({ service, modelName, modelVersion, count, failed, totalMs, maxMs }: LoggedCalls): LoggedCalls {
  return { service, modelName, modelVersion, count, failed, totalMs, maxMs };
}

function describeBlocks({ plan, schema }: BoundPlan): PlanBlocks {
  const target: (LoggedBlock | null)[] = [];
  const slate: (LoggedBlock | null)[] = [];
  target[TargetBlock.rows] = block('rows');
  target[TargetBlock.broadcast] = block(
    'context',
    '',
    [schema.userIdSlot, schema.appVersionSlot].filter((slot) => slot >= 0),
  );
  target[TargetBlock.constants] = block('constant');
  slate[SlateBlock.rows] = block('rows');
  slate[SlateBlock.broadcast] = block('context');
  for (const { component, blockIndex, name } of plan.components) {
    (component.scope === 'slate' ? slate : target)[blockIndex] = block('component', name);
  }
  // The places of slate components in the target matrix are empty.
  return { target: Array.from(target, (each) => each ?? null), slate: Array.from(slate, (each) => each ?? null) };
}

function block(origin: LoggedBlock['origin'], componentName = '', headerSlots: readonly number[] = []): LoggedBlock {
  return Object.freeze({ origin, componentName, headerSlots });
}
