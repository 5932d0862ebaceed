import type { BlockShape } from '@inferflow/matrix';
import type { WalkScratch } from '@inferflow/proto/hot';
import type { OwnBlockOptions } from '../component-run.js';
import type { FeatureLayout } from './feature-layout.js';

/** Makes the layout of a shape; `general` is the one that it was learned from. */
export type CreateLayout = (shape: BlockShape, slotOf: Int32Array, general: FeatureLayout | null) => FeatureLayout;

/**
 * The layouts of one source: that of the plan's shape and, as long as answers have vectors in the lengths that it was learned from, one
 * with the vectors in the row. What a plan learned, the next one begins with, as far as rows are cached.
 */
export class FeatureLayouts {
  /** For the blocks of new requests: the learned shape; undefined = the plan's. */
  learnedShape: OwnBlockOptions | undefined = undefined;
  readonly #create: CreateLayout;
  #general: FeatureLayout | null = null;
  #learned: FeatureLayout | null = null;
  /** Answers read with the general layout. */
  #generalAnswers = 0;

  constructor(create: CreateLayout) {
    this.#create = create;
  }

  /** How rows of a shape are read. */
  of(shape: BlockShape, slotOf: Int32Array): FeatureLayout {
    if (this.#learned?.shape === shape) return this.#learned;
    if (this.#general?.shape === shape) return this.#general;
    const general = this.#create(shape, slotOf, null);
    this.#general = general;
    this.#believe(general, general.shapeInCache());
    return general;
  }

  /**
   * Looks at the answer that was read last, if it is number 1, 2, 4, 8, … of the general layout: lengths that keep changing cost next to
   * nothing, and lengths that settle are found.
   */
  learn(layout: FeatureLayout, scratch: WalkScratch, rows: number): void {
    if (!layout.hasVectors || layout !== this.#general) return;
    const count = ++this.#generalAnswers;
    if ((count & (count - 1)) !== 0) return;
    this.#believe(layout, layout.learnShape(scratch, rows));
  }

  /** An answer, or a row of the cache, showed that a learned layout holds no longer. */
  forget(layout: FeatureLayout): void {
    if (this.#learned !== layout) return;
    this.#learned = null;
    this.learnedShape = undefined;
    if (layout.cached !== null) layout.cached.source.forms.learned = null;
  }

  #believe(general: FeatureLayout, shape: BlockShape): void {
    if (shape === general.shape || shape === this.#learned?.shape) return;
    const learned = this.#create(shape, general.slotOf, general);
    this.#learned = learned;
    this.learnedShape = Object.freeze({ shape });
    if (learned.cached !== null) learned.cached.source.forms.learned = learned.cached.form;
  }
}
