import { DataType, dataTypeInfo, type Layout, NONE, refBlock, refSlot, type Source, sourceOf } from '@inferflow/matrix';
import { answerType, typeTextOf } from './column-types.js';
import { type ModelPlan, SlateBlock, TargetBlock } from './model-plan.js';
import type { PlanResolver } from './plan-resolver.js';

/** A column of an answer. */
export interface AnswerColumn {
  readonly name: string;
  /** null = nobody has it: empty in every row. */
  readonly source: Source | null;
  /** As reported. */
  readonly dataType: DataType;
  readonly width: number;
  /** The component whose bytes are answered as text where rows are text, so that they have to be looked at first; null = none. */
  readonly rawTextOf: string | null;
}

/** Columns of target rows. A column that a component writes is answered from there alone, as the original does. */
export function targetColumns(plan: ModelPlan, resolver: PlanResolver, names: readonly string[]): readonly AnswerColumn[] {
  return names.map((name) => {
    const source = resolver.target(name);
    return answerColumn(plan, resolver.targetLayout, name, source, plan.columnTypes.target.get(name), TargetBlock.firstComponent);
  });
}

/** Names of pair and slate columns in the order of the configuration: models, then expressions, then plugins. */
export function slateColumnNames(plan: ModelPlan): readonly string[] {
  const names = new Set(plan.columnTypes.slate.keys());
  for (const { component, config, shape } of plan.components) {
    if (component.scope === 'slate' && config.kind === 'plugin') for (const { name } of shape?.slots ?? []) names.add(name);
  }
  return [...names];
}

/** Columns of pair or slate rows: those that slate components write and the response asks for. */
export function slateColumns(plan: ModelPlan, resolver: PlanResolver): readonly AnswerColumn[] {
  const layout = resolver.slateLayout;
  if (layout === null) return [];
  const asked = new Set(plan.config.response.features);
  return slateColumnNames(plan)
    .filter((name) => asked.has(name))
    .map((name) => answerColumn(plan, layout, name, resolver.slate(name), plan.columnTypes.slate.get(name), SlateBlock.firstComponent));
}

function answerColumn(
  plan: ModelPlan,
  layout: Layout,
  name: string,
  source: Source | null,
  configured: { readonly dataType: DataType; readonly typeText: string; readonly width: number } | undefined,
  firstComponent: number,
): AnswerColumn {
  const ref = source === null ? NONE : source.first;
  const slot = layout.shapes[refBlock(ref)]?.slots[refSlot(ref)];
  const isWritten = refBlock(ref) >= firstComponent;
  const isText = isWritten && slot !== undefined && dataTypeInfo(slot.type).elementBytes === 0;
  const scope = firstComponent === TargetBlock.firstComponent ? 'target' : 'slate';
  const writer = plan.components.find(({ component, blockIndex }) => component.scope === scope && blockIndex === refBlock(ref));
  const rawTextOf = isText ? (writer?.name ?? name) : null;
  if (configured !== undefined && (isWritten || slot === undefined)) {
    return {
      name,
      source: isWritten ? sourceOf(ref) : null,
      dataType: answerType(configured, plan.compat),
      width: configured.width,
      rawTextOf,
    };
  }
  if (slot === undefined) return { name, source: null, dataType: DataType.String, width: 0, rawTextOf };
  return {
    name,
    source: sourceOf(ref),
    dataType: answerType({ dataType: slot.type, typeText: typeTextOf(slot.type) }, plan.compat),
    width: 0,
    rawTextOf,
  };
}
