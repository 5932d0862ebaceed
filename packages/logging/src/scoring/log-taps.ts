import type { LoggedPlan, LoggedRecord, LoggedRequest } from '../logged-record.js';
import type { LogPipeline } from '../pipeline/log-pipeline.js';
import { HeldRecord } from './held-record.js';
import type { ScoringDetails } from './scoring-details.js';
import { ScoringRecord } from './scoring-record.js';

/** A finished request that can say more than its columns; the engine's `RequestRecord` fits. */
export interface DetailedRecord extends LoggedRecord {
  /** Only while `taken` runs. */
  details(): ScoringDetails;
}

/** Options of {@link LogTaps}. */
export interface LogTapsOptions {
  /** InferflowLog records; null = none. */
  readonly inference: LogPipeline | null;
  /** ScoringLog records; null = none. */
  readonly scoring: LogPipeline | null;
  /** Headers that a ScoringLog holds, in lower case. */
  readonly headerNames?: readonly string[];
}

/** The engine's log tap in front of both kinds of records: a request that both want is kept once, until both have let go of it. */
export class LogTaps {
  readonly #inference: LogPipeline | null;
  readonly #scoring: LogPipeline | null;
  readonly #headerNames: readonly string[];
  // The engine calls `taken` right after `wants` said yes, before it asks about another request.
  #inferenceWants = false;
  #scoringWants = false;

  constructor(options: LogTapsOptions) {
    this.#inference = options.inference;
    this.#scoring = options.scoring;
    this.#headerNames = options.headerNames ?? [];
  }

  /** Whether a request is logged. */
  wants(plan: LoggedPlan, request: LoggedRequest): boolean {
    this.#inferenceWants = this.#inference?.wants(plan, request) === true;
    this.#scoringWants = this.#scoring?.wants(plan, request) === true;
    return this.#inferenceWants || this.#scoringWants;
  }

  /** Takes over a request. */
  taken(record: DetailedRecord): void {
    if (!this.#scoringWants) {
      this.#inference?.taken(record);
      return;
    }
    let holders = this.#inferenceWants ? 2 : 1;
    const release = (): void => {
      if (--holders === 0) record.release();
    };
    const scoring = new ScoringRecord(record, record.details(), this.#headerNames, release);
    if (this.#inferenceWants) this.#inference?.taken(new HeldRecord(record, release));
    this.#scoring?.taken(scoring);
  }
}
