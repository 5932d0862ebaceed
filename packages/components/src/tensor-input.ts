/** Columns as a row-major tensor. Positions are those of `run.rows`, half-open: from … to−1. */
export interface TensorInput {
  /** Resolves defaults and texts for the run's rows. Called once before the other methods; answers how many values are defaults. Look at `misfits` afterwards. */
  prepare(): number;
  /** Exact bytes of these rows. */
  byteLength(from: number, to: number): number;
  /** Writes these rows at `at`, where the target must have room for them. Repeatable until the run ends. */
  write(target: Uint8Array, at: number, from: number, to: number): void;
  /** Values that the last `prepare` found to be of another type than the tensor. */
  readonly conversions: number;
  /** Whether the last `prepare` found that the rows do not fill the shape, so that a model would take values for others. */
  readonly misfits: boolean;
  /** Elements of one row; −1 when rows differ. Texts count one per column. After `prepare`. */
  elementsPerRow(): number;
  /** How the bytes come about: `copy`, `gather n runs`, `convert k columns`, `text`. */
  readonly description: string;
}
