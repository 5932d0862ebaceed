import type { Block, BlockShape } from '@inferflow/matrix';
import { CellMode, type CellProgram } from './cell-program.js';

/** What one step of a row writes. */
export const StepKind = {
  /** Adjacent scalars of one block: one copy. */
  run: 0,
  scalar: 1,
  /** Length-prefixed. */
  sized: 2,
} as const;

/** One step of a row. */
export interface RowStep {
  readonly kind: (typeof StepKind)[keyof typeof StepKind];
  readonly feature: number;
  readonly block: number;
  readonly slot: number;
  /** Slots of a run. */
  readonly slots: number;
  /** Bytes from the start of a block row. */
  readonly offset: number;
  /** Bytes written by a run or a scalar. */
  readonly width: number;
}

/** The steps that write a row of a program over blocks of certain shapes. */
export class RowPlan {
  readonly steps: readonly RowStep[];
  /** Bytes of the steps of known width. */
  readonly fixedBytes: number;
  /** Whether every row is as long as every other. */
  readonly isFixed: boolean;
  readonly #shapes: readonly (BlockShape | null)[];

  constructor(program: CellProgram, blocks: readonly (Block | null)[]) {
    this.#shapes = blocks.map((block) => block?.shape ?? null);
    this.steps = compileSteps(program, blocks);
    this.fixedBytes = this.steps.reduce((sum, step) => sum + step.width, 0);
    this.isFixed = this.steps.every(({ kind }) => kind === StepKind.run);
  }

  /** Whether the blocks still have the shapes that this plan was made for. */
  fits(blocks: readonly (Block | null)[]): boolean {
    for (let index = 0; index < blocks.length; index++) {
      if ((blocks[index]?.shape ?? null) !== this.#shapes[index]) return false;
    }
    return true;
  }
}

function compileSteps(program: CellProgram, blocks: readonly (Block | null)[]): RowStep[] {
  const steps: RowStep[] = [];
  program.features.forEach(({ type }, feature) => {
    // Readers take no byte for a type they do not know.
    if (type.width < 0) return;
    const block = program.firstBlock[feature] as number;
    const slot = program.firstSlot[feature] as number;
    const shape = blocks[block]?.shape ?? null;
    const isCopied =
      type.width > 0 &&
      program.firstMode[feature] === CellMode.copy &&
      (program.otherBlock[feature] as number) < 0 &&
      shape?.slots[slot]?.isVariable === false &&
      shape.widths[slot] === type.width;
    const offset = shape?.offsets[slot] ?? 0;
    const last = steps.at(-1);
    if (
      isCopied &&
      last?.kind === StepKind.run &&
      last.block === block &&
      last.slot + last.slots === slot &&
      last.offset + last.width === offset
    ) {
      steps[steps.length - 1] = { ...last, slots: last.slots + 1, width: last.width + type.width };
      return;
    }
    const kind = isCopied ? StepKind.run : type.width > 0 ? StepKind.scalar : StepKind.sized;
    steps.push({ kind, feature, block, slot, slots: 1, offset, width: type.width });
  });
  return steps;
}
