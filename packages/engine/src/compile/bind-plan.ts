import { ComponentBinding, ComponentError } from '@inferflow/components';
import { type BlockShape, createBlockShape, type MemoryPool, type Source } from '@inferflow/matrix';
import { encodeHeaderRow, encodeOutputSchemas, PredictKind } from '@inferflow/proto/hot';
import type { EngineMethod } from '../engine.js';
import { type RequestColumn, type RequestSchema, slotsOf } from '../request/request-schema.js';
import type { Violations } from '../request/violations.js';
import { type IdleBudget, RunPool } from '../run/run-pool.js';
import { type AbsentColumns, findAbsentColumns } from './absent-columns.js';
import { type AnswerColumn, slateColumnNames, slateColumns, targetColumns } from './answer-columns.js';
import type { ModelPlan } from './model-plan.js';
import { PlanResolver } from './plan-resolver.js';

/** What is answered: the columns and what does not change from answer to answer. */
export interface AnswerProgram {
  readonly targets: readonly AnswerColumn[];
  readonly slates: readonly AnswerColumn[];
  /** Encoded output schemas of a Predict answer, or the header row of a `RetrieveModelScore` one. */
  readonly head: Uint8Array;
}

/** A plan for the requests of one schema: every name is a column reference. Shared by all its runs. */
export interface BoundPlan {
  readonly plan: ModelPlan;
  readonly schema: RequestSchema;
  readonly rowsShape: BlockShape;
  readonly broadcastShape: BlockShape | null;
  readonly slatesShape: BlockShape | null;
  readonly resolver: PlanResolver;
  /** Per component of the plan; null = slate components where there are no slates. */
  readonly bindings: readonly (ComponentBinding | null)[];
  readonly answer: AnswerProgram;
  readonly absent: AbsentColumns;
  /** With the model inputs in front; only of `RetrieveModelScore`, compiled when first asked for. */
  extendedAnswer(): AnswerProgram;
  /** Where a name is answered from, for logging. */
  targetSource(name: string): Source | null;
  slateSource(name: string): Source | null;
  readonly pool: MemoryPool;
  readonly runs: RunPool;
}

/** Where runs take their memory from, and how many of them are kept. */
export interface RunMemory {
  readonly pool: MemoryPool;
  /** Idle runs of one bound plan. */
  readonly idleRuns: number;
  readonly idleBudget: IdleBudget;
}

/** Predict kind of a method; null for `RetrieveModelScore`. */
export function predictKindOf(method: EngineMethod): PredictKind | null {
  switch (method) {
    case 'InferPointWise':
      return PredictKind.pointWise;
    case 'InferPairWise':
      return PredictKind.pairWise;
    case 'InferSlateWise':
      return PredictKind.slateWise;
    case 'RetrieveModelScore':
      return null;
  }
}

/** Binds a plan. A name that a slate component could mean twice goes to `violations`; the result is then null. */
export function bindPlan(plan: ModelPlan, schema: RequestSchema, memory: RunMemory, violations: Violations): BoundPlan | null {
  const { pool } = memory;
  const rowsShape = createBlockShape(slotsOf(schema.rows));
  const broadcastShape = shapeOf(schema.broadcast);
  const slatesShape = schema.slates === null ? null : shapeOf(schema.slates);
  const resolver = new PlanResolver(plan, schema, { rows: rowsShape, broadcast: broadcastShape, slates: slatesShape });
  const bindings: (ComponentBinding | null)[] = [];
  for (const { component, shape, blockIndex, slotOf, name } of plan.components) {
    if (component.scope === 'slate' && schema.slates === null) {
      bindings.push(null);
      continue;
    }
    try {
      bindings.push(new ComponentBinding(component, resolver, { shape, blockIndex, slotOf, pool }, plan.compat, name));
    } catch (error) {
      if (!(error instanceof ComponentError) || error.code !== 'INFERFLOW_COMPONENTS_COLUMN_AMBIGUOUS') throw error;
      violations.add(
        schema.method === 'InferPairWise' ? 'pair_input_schema' : 'slate_input_schema',
        `component "${name}": ${error.message}`,
      );
    }
  }
  if (violations.count > 0) return null;
  const answer = compileAnswer(plan, schema.method, resolver, plan.config.response.features);
  let extended: AnswerProgram | null = null;
  const bound: BoundPlan = {
    plan,
    schema,
    rowsShape,
    broadcastShape,
    slatesShape,
    resolver,
    bindings,
    answer,
    absent: findAbsentColumns(plan, bindings, answer.targets),
    extendedAnswer() {
      extended ??= compileAnswer(plan, schema.method, resolver, plan.extendedFeatures);
      return extended;
    },
    targetSource: (name) => resolver.target(name),
    slateSource: (name) => resolver.slate(name),
    pool,
    runs: new RunPool(memory.idleRuns, memory.idleBudget),
  };
  return bound;
}

function compileAnswer(plan: ModelPlan, method: EngineMethod, resolver: PlanResolver, features: readonly string[]): AnswerProgram {
  const kind = predictKindOf(method);
  if (kind === null) return { targets: targetColumns(plan, resolver, features), slates: [], head: encodeHeaderRow(features) };
  const slates = slateColumns(plan, resolver);
  const slateNames = kind === PredictKind.pointWise ? new Set<string>() : new Set(slateColumnNames(plan));
  const targets = targetColumns(
    plan,
    resolver,
    features.filter((name) => !slateNames.has(name)),
  );
  return { targets, slates, head: encodeOutputSchemas(kind, targets, slates) };
}

function shapeOf(columns: readonly RequestColumn[]): BlockShape | null {
  return columns.length === 0 ? null : createBlockShape(slotsOf(columns));
}
