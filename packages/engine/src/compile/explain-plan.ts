import { type BlockShape, dataTypeInfo } from '@inferflow/matrix';
import { ExplainBindings, isDeclaredByRequest } from './explain-binding.js';
import type { ModelPlan, PlanComponent } from './model-plan.js';
import { whyNotCopy } from './why-not-copy.js';

/** How one component's read gets its bytes. */
export interface ExplainedEdge {
  readonly componentName: string;
  /** What is read: a model input by its configured name, else the read's name in the component. */
  readonly read: string;
  /** `copy`, `gather n runs`, `convert k columns`, `text`, … A copy is one for all rows where the block has them in this order. */
  readonly how: string;
  /** Why it is not `copy`, or ''. */
  readonly why: string;
  /**
   * How it is done until an answer has told how long vectors are, and for good where their lengths differ or those of a row are more than
   * a row may hold; '' when there are none, or it makes no difference.
   */
  readonly atFirst: string;
  readonly columns: readonly string[];
}

/** One block of the matrices: who writes it and what a row of it looks like. */
export interface ExplainedBlock {
  readonly writer: string;
  readonly matrix: 'target' | 'slate';
  readonly strideBytes: number;
  /** `widthBytes` 0 = variable. `dataType` is `declared by the request` where every request says it for itself. */
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

/** Explains a plan for requests that bring every column nobody writes: as texts, or in the type that a reader wants where requests declare types. */
export function explainPlan(plan: ModelPlan): ExplainedPlan {
  const bindings = new ExplainBindings(plan);
  return {
    modelConfigId: plan.modelConfigId,
    configHash: plan.config.hash,
    levels: plan.topology.levels.map((level) => level.map((index) => plan.topology.componentIds[index] ?? '')),
    blocks: explainBlocks(plan, bindings.ofTexts.bound.rowsShape),
    edges: plan.components.flatMap((component) => explainEdges(plan, component, bindings)),
  };
}

function explainBlocks(plan: ModelPlan, rowsShape: BlockShape): readonly ExplainedBlock[] {
  const given = explainBlock('request', 'target', rowsShape);
  const columns = given.columns.map((column) =>
    isDeclaredByRequest(plan, column.name) ? { ...column, dataType: 'declared by the request' } : column,
  );
  const blocks: ExplainedBlock[] = [{ ...given, columns }];
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

function explainEdges(plan: ModelPlan, component: PlanComponent, bindings: ExplainBindings): readonly ExplainedEdge[] {
  const isSlate = component.component.scope === 'slate';
  return Object.entries(component.component.reads).map(([name, spec], at): ExplainedEdge => {
    const { bound, learned } = spec.kind === 'tensor' ? bindings.forReader(spec.type) : bindings.ofTexts;
    const read = bound.bindings[component.index]?.reads[at];
    const edge = { componentName: component.name, read: nameOf(component, name), columns: spec.columns, atFirst: '' };
    if (spec.kind === 'keys') return { ...edge, how: 'text', why: 'keys are compared and sent as text' };
    if (spec.kind !== 'tensor' || read === undefined || read.program === null)
      return { ...edge, how: 'column', why: 'read cell by cell or as a whole' };
    const rowsOf = (how: string) => (isSlate && how === 'copy' ? 'gather 1 run' : how);
    const how = read.program.describe(learned.target, learned.slate);
    const atFirst = rowsOf(read.program.describe());
    const why = how !== 'copy' ? whyNotCopy(plan, read, spec.type, learned) : isSlate ? 'rows are the targets of slates' : '';
    return { ...edge, how: rowsOf(how), why, atFirst: atFirst === rowsOf(how) ? '' : atFirst };
  });
}

function nameOf({ config }: PlanComponent, read: string): string {
  const input = config.kind === 'predator' ? /^input(\d+)$/.exec(read)?.[1] : undefined;
  return (config.kind === 'predator' && config.inputs[Number(input)]?.name) || read;
}
