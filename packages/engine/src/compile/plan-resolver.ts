import type { ColumnResolver } from '@inferflow/components';
import { type BlockShape, type ColumnRef, Layout, NONE, refBlock, type Source, sourceOf } from '@inferflow/matrix';
import type { RequestSchema } from '../request/request-schema.js';
import { type ModelPlan, SlateBlock, TargetBlock } from './model-plan.js';

/** Shapes of the blocks that a request fills itself; null = it brings nothing of that kind. */
export interface RequestShapes {
  readonly rows: BlockShape | null;
  readonly broadcast: BlockShape | null;
  readonly slates: BlockShape | null;
}

/** Names → columns of a plan for requests of one schema. */
export class PlanResolver implements ColumnResolver {
  readonly targetLayout: Layout;
  readonly slateLayout: Layout | null;
  readonly #texts: ReadonlySet<string>;

  constructor(plan: ModelPlan, schema: RequestSchema, shapes: RequestShapes) {
    const target: (BlockShape | null)[] = [shapes.rows, shapes.broadcast, plan.constants.shape];
    const slate: (BlockShape | null)[] = [shapes.slates, null];
    for (const { component, shape, blockIndex } of plan.components) {
      if (component.scope === 'target') target[blockIndex] = shape;
      else slate[blockIndex] = shape;
    }
    // A slate component leaves its place in the target matrix empty.
    this.targetLayout = new Layout(
      Array.from({ length: TargetBlock.firstComponent + plan.components.length }, (_, index) => target[index] ?? null),
    );
    this.slateLayout = schema.slates === null ? null : new Layout(Array.from(slate, (shape) => shape ?? null));
    this.#texts = new Set([
      ...(plan.constants.shape?.slots.map(({ name }) => name) ?? []),
      ...[...schema.rows, ...schema.broadcast, ...(schema.slates ?? [])].filter(({ isText }) => isText).map(({ name }) => name),
    ]);
  }

  target(name: string): Source | null {
    const refs = this.targetLayout.refs(name);
    const fetched = refs.find((ref) => refBlock(ref) >= TargetBlock.firstComponent) ?? NONE;
    const constant = refs.find((ref) => refBlock(ref) === TargetBlock.constants) ?? NONE;
    const given = constant !== NONE ? constant : (refs.find((ref) => refBlock(ref) < TargetBlock.constants) ?? NONE);
    return pick(fetched, given);
  }

  slate(name: string): Source | null {
    const refs = this.slateLayout?.refs(name) ?? [];
    const computed = refs.find((ref) => refBlock(ref) >= SlateBlock.firstComponent) ?? NONE;
    return pick(computed, refs.find((ref) => refBlock(ref) < SlateBlock.firstComponent) ?? NONE);
  }

  isRequestText(name: string): boolean {
    return this.#texts.has(name);
  }
}

function pick(written: ColumnRef, given: ColumnRef): Source | null {
  if (written !== NONE) return sourceOf(written, given);
  return given === NONE ? null : sourceOf(given);
}
