import type { FailureReason } from '@inferflow/transport';

/** Who is told that a call of its request has ended, from within its answer. */
export interface CallHost {
  callEnded(): void;
}

/**
 * The calls of one component of one request to a service, added up: what the full record of a request says about them. A call that several
 * requests share counts for each.
 */
export class ServiceCalls {
  count = 0;
  /** Of these, calls that failed. */
  failed = 0;
  /** Of these, calls that were refused because there were too many, by the service or on our side: how long they took says nothing of it. */
  overloaded = 0;
  /** Time of all calls together; they overlap. */
  totalMs = 0;
  maxMs = 0;
  /** What was called, as its backend describes itself. */
  service = '';
  modelName = '';
  /** As the model server said; several versions are joined by a comma. */
  modelVersion = '';
  /** @internal Hears of every call that is counted. */
  host: CallHost | null = null;

  /** Counts a call that ended. */
  note(service: string, durationMs: number, isFailed: boolean): void {
    this.count++;
    if (isFailed) this.failed++;
    this.totalMs += durationMs;
    if (durationMs > this.maxMs) this.maxMs = durationMs;
    this.service = service;
    this.host?.callEnded();
  }

  /** The call that was counted last failed with that reason. */
  noteReason(reason: FailureReason): void {
    if (reason === 'overloaded') this.overloaded++;
  }

  /** Which model answered. */
  noteModel(name: string, version: string): void {
    this.modelName = name;
    if (version === '' || version === this.modelVersion) return;
    if (this.modelVersion === '') this.modelVersion = version;
    else if (this.modelVersion.length < 200 && !this.modelVersion.split(',').includes(version)) this.modelVersion += `,${version}`;
  }

  /** Forgets everything, for the next request. */
  clear(): void {
    this.count = 0;
    this.failed = 0;
    this.overloaded = 0;
    this.totalMs = 0;
    this.maxMs = 0;
    this.service = '';
    this.modelName = '';
    this.modelVersion = '';
    this.host = null;
  }
}
