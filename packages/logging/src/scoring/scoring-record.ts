import type { LoggedRecord } from '../logged-record.js';
import { HeldRecord } from './held-record.js';
import type { ScoringDetails } from './scoring-details.js';

/** A request with what its ScoringLog says beside its columns. Everything that lives as long as the caller was read when it was made. */
export class ScoringRecord extends HeldRecord {
  readonly details: ScoringDetails;
  readonly callerId: string;
  readonly headers: readonly (readonly [name: string, value: string])[];

  /** `headerNames`: those that are logged, in lower case. */
  constructor(record: LoggedRecord, details: ScoringDetails, headerNames: readonly string[], onRelease: () => void) {
    super(record, onRelease);
    this.details = details;
    this.callerId = record.header('inferflow-caller-id') ?? '';
    const headers: [string, string][] = [];
    for (const name of headerNames) {
      const value = record.header(name);
      if (value !== undefined) headers.push([name, value]);
    }
    this.headers = headers;
  }
}
