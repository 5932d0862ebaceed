/** Who filled a block of a matrix; the engine's `LoggedBlock` fits. */
export interface ScoringBlock {
  readonly origin: 'rows' | 'context' | 'constant' | 'component';
  readonly componentName: string;
  /** Slots that headers of the request filled. */
  readonly headerSlots: readonly number[];
}

/** The calls of one component to a service, added up; the engine's `LoggedCalls` fits. */
export interface ScoringServiceCalls {
  readonly service: string;
  readonly modelName: string;
  readonly modelVersion: string;
  readonly count: number;
  readonly failed: number;
  readonly totalMs: number;
  readonly maxMs: number;
}

/** How one component of a request ended; the engine's `LoggedOutcome` fits. */
export interface ScoringOutcome {
  readonly componentName: string;
  readonly kind: string;
  readonly status: string;
  readonly reason: string;
  readonly startMs: number;
  readonly durationMs: number;
  readonly defaultedInputs: number;
  readonly calls: ScoringServiceCalls | null;
}

/** What is known of a request beside its columns; the engine's `RequestDetails` fits. */
export interface ScoringDetails {
  readonly components: readonly ScoringOutcome[];
  readonly targetBlocks: readonly (ScoringBlock | null)[];
  readonly slateBlocks: readonly (ScoringBlock | null)[];
  readonly responseColumns: readonly string[];
  readonly routeHash: number;
  /** UTF-8 per row with an error; equal texts are the same bytes. */
  readonly targetErrors: readonly (Uint8Array | null)[] | null;
  readonly slateErrors: readonly (Uint8Array | null)[] | null;
}
