import { type BlockShape, DataType, dataTypeInfo, inlineVectors, Layout, MemoryPool, NONE, refBlock, refSlot } from '@inferflow/matrix';
import type { RequestSchema } from '../request/request-schema.js';
import { textColumn } from '../request/request-schema.js';
import { Violations } from '../request/violations.js';
import { IdleBudget } from '../run/run-pool.js';
import { type BoundPlan, bindPlan } from './bind-plan.js';
import { type ModelPlan, type PlanComponent, TargetBlock } from './model-plan.js';

/** How one component's read gets its bytes. */
export interface ExplainedEdge {
  readonly componentName: string;
  /** What is read: a model input by its configured name, else the read's name in the component. */
  readonly read: string;
  /** `copy`, `gather n runs`, `convert k columns`, `text`, … */
  readonly how: string;
  /** Why it is not `copy`, or ''. */
  readonly why: string;
  /** How it is done until an answer has told how long vectors are; '' when there are none, or it makes no difference. */
  readonly atFirst: string;
  readonly columns: readonly string[];
}

/** One block of the matrices: who writes it and what a row of it looks like. */
export interface ExplainedBlock {
  readonly writer: string;
  readonly matrix: 'target' | 'slate';
  readonly strideBytes: number;
  /** `widthBytes` 0 = variable. */
  readonly columns: readonly { readonly name: string; readonly dataType: string; readonly widthBytes: number }[];
}

/** A compiled model in words. */
export interface ExplainedPlan {
  readonly modelConfigId: string;
  readonly configHash: string;
  /** Component names, level by level: the members of a level do not wait for each other. */
  readonly levels: readonly (readonly string[])[];
  readonly blocks: readonly ExplainedBlock[];
  readonly edges: readonly ExplainedEdge[];
}

/** Explains a plan for requests that bring every column nobody writes, as texts. */
export function explainPlan(plan: ModelPlan): ExplainedPlan {
  const bound = bindForExplanation(plan);
  const learned = learnedLayouts(plan, bound);
  return {
    modelConfigId: plan.modelConfigId,
    configHash: plan.config.hash,
    levels: plan.topology.levels.map((level) => level.map((index) => plan.topology.componentIds[index] ?? '')),
    blocks: explainBlocks(plan, bound),
    edges: plan.components.flatMap((component) => explainEdges(bound, component, learned)),
  };
}

function bindForExplanation(plan: ModelPlan): BoundPlan {
  const written = new Set(plan.components.flatMap(({ shape }) => shape?.slots.map(({ name }) => name) ?? []));
  const given = new Set([plan.config.response.idColumn]);
  for (const { component } of plan.components) {
    for (const read of Object.values(component.reads)) for (const name of read.columns) if (!written.has(name)) given.add(name);
  }
  const schema: RequestSchema = {
    method: 'InferSlateWise',
    rows: [...given].map(textColumn),
    broadcast: [],
    slates: [],
    userIdSlot: -1,
    appVersionSlot: -1,
    predict: null,
    inferflow: null,
  };
  const bound = bindPlan(
    plan,
    schema,
    { pool: new MemoryPool({ maxIdleBytes: 0 }), idleRuns: 0, idleBudget: new IdleBudget(0) },
    new Violations(),
  );
  if (bound === null) throw new TypeError('a plan without slate features cannot be ambiguous');
  return bound;
}

function explainBlocks(plan: ModelPlan, bound: BoundPlan): readonly ExplainedBlock[] {
  const blocks: ExplainedBlock[] = [explainBlock('request', 'target', bound.rowsShape)];
  if (plan.constants.shape !== null) blocks.push(explainBlock('constants', 'target', plan.constants.shape));
  for (const { name, component, shape } of plan.components) if (shape !== null) blocks.push(explainBlock(name, component.scope, shape));
  return blocks;
}

function explainBlock(writer: string, matrix: 'target' | 'slate', shape: BlockShape): ExplainedBlock {
  return {
    writer,
    matrix,
    strideBytes: shape.stride,
    columns: shape.slots.map(({ name, type, isVariable }, slot) => ({
      name,
      dataType: dataTypeInfo(type).name,
      widthBytes: isVariable ? 0 : (shape.widths[slot] as number),
    })),
  };
}

/** Layouts of both matrices. */
interface Layouts {
  readonly target: Layout;
  readonly slate: Layout | null;
}

/** The layouts once answers of the feature store have told how long vectors are; how long does not matter here. */
function learnedLayouts(plan: ModelPlan, { resolver }: BoundPlan): Layouts {
  const learn = ({ shapes }: Layout, scope: 'target' | 'slate') =>
    new Layout(
      shapes.map((shape, block) => {
        const writer = plan.components.find((each) => each.component.scope === scope && each.blockIndex === block);
        if (shape === null || writer?.config.kind !== 'feature') return shape;
        return inlineVectors(shape, (slot) => dataTypeInfo(shape.slots[slot]?.type ?? DataType.Unknown).elementBytes);
      }),
    );
  return {
    target: learn(resolver.targetLayout, 'target'),
    slate: resolver.slateLayout === null ? null : learn(resolver.slateLayout, 'slate'),
  };
}

function explainEdges(bound: BoundPlan, component: PlanComponent, learned: Layouts): readonly ExplainedEdge[] {
  const binding = bound.bindings[component.index];
  return (binding?.reads ?? []).map((read): ExplainedEdge => {
    const edge = { componentName: component.name, read: nameOf(component, read.name), columns: read.spec.columns, atFirst: '' };
    if (read.spec.kind === 'keys') return { ...edge, how: 'text', why: 'keys are compared and sent as text' };
    if (read.program === null || read.spec.kind !== 'tensor') return { ...edge, how: 'column', why: 'read cell by cell or as a whole' };
    const atFirst = read.program.describe();
    const how = read.program.describe(learned.target, learned.slate);
    const why = how === 'copy' ? '' : whyNotCopy(bound, read.spec.columns, read.spec.type, learned);
    return { ...edge, how, why, atFirst: atFirst === how ? '' : atFirst };
  });
}

function nameOf({ config }: PlanComponent, read: string): string {
  const input = config.kind === 'predator' ? /^input(\d+)$/.exec(read)?.[1] : undefined;
  return (config.kind === 'predator' && config.inputs[Number(input)]?.name) || read;
}

/** What keeps a tensor from being one copy of a block. */
function whyNotCopy(bound: BoundPlan, columns: readonly string[], v2Type: string, learned: Layouts): string {
  const reasons: string[] = [];
  const blocks = new Set<number>();
  const fromRequest: string[] = [];
  const converted: string[] = [];
  const variable: string[] = [];
  const nowhere: string[] = [];
  const slots: number[] = [];
  for (const name of columns) {
    const source = bound.resolver.target(name) ?? bound.resolver.slate(name);
    const ref = source?.first ?? NONE;
    const slot = learned.target.shapes[refBlock(ref)]?.slots[refSlot(ref)];
    if (slot === undefined) {
      nowhere.push(name);
      continue;
    }
    blocks.add(refBlock(ref));
    slots.push(refSlot(ref));
    if (refBlock(ref) < TargetBlock.firstComponent) fromRequest.push(name);
    else if (dataTypeInfo(dataTypeInfo(slot.type).elementType).v2Name !== v2Type)
      converted.push(`${name} (${dataTypeInfo(slot.type).name} → ${v2Type})`);
    else if (slot.isVariable && slot.type !== DataType.String) variable.push(name);
  }
  if (fromRequest.length > 0) reasons.push(`given by the request as text: ${fromRequest.join(', ')}`);
  if (converted.length > 0) reasons.push(`of another type: ${converted.join(', ')}`);
  if (variable.length > 0) reasons.push(`vectors whose length the configuration does not state: ${variable.join(', ')}`);
  if (nowhere.length > 0) reasons.push(`not in the target matrix: ${nowhere.join(', ')}`);
  if (blocks.size > 1) reasons.push(`columns of ${blocks.size} blocks`);
  if (reasons.length === 0) reasons.push(v2Type === 'BYTES' ? 'texts are written with their lengths' : whyRuns(slots));
  return reasons.join('; ');
}

/** Why columns of one block, all of the tensor's type, are no copy of it. */
function whyRuns(slots: readonly number[]): string {
  if (new Set(slots).size < slots.length) return 'a column is named more than once';
  if (slots.some((slot, index) => index > 0 && slot < (slots[index - 1] as number)))
    return 'the block is laid out for a reader that wants another order';
  return 'the block has other columns too';
}
