import { utf8Size } from '@inferflow/proto/hot';
import { createRequestError, type EngineError, type Violation } from '../errors.js';
import { boundedMessage } from '../failure-text.js';

// More would not fit, in base64, into the 8 KiB of metadata that many clients accept.
const MAX_LISTED = 40;
const MAX_BYTES = 5200;

/** The broken rules of one request, in the order of the checks: the first one's text becomes the status message. Reused. */
export class Violations {
  /** All that were found, listed or not. */
  count = 0;
  readonly #listed: Violation[] = [];
  #bytes = 0;

  clear(): void {
    this.count = 0;
    this.#listed.length = 0;
    this.#bytes = 0;
  }

  /** Whether `add` would still list an entry. Lets a loop skip making texts that nobody sees. */
  get hasRoom(): boolean {
    return this.#listed.length < MAX_LISTED && this.#bytes < MAX_BYTES;
  }

  /** Names of features are the caller's and may be of any length: long texts are cut. */
  add(field: string, description: string): void {
    this.count++;
    if (!this.hasRoom) return;
    const violation = { field, description: boundedMessage(description) };
    this.#bytes += utf8Size(field) + utf8Size(violation.description);
    if (this.#listed.length === 0 || this.#bytes <= MAX_BYTES) this.#listed.push(violation);
  }

  /** Counts a violation whose text would not be listed any more. */
  addUnlisted(): void {
    this.count++;
  }

  /** Appends those of another list. */
  addAll(others: Violations): void {
    for (const { field, description } of others.#listed) this.add(field, description);
    this.count += others.count - others.#listed.length;
  }

  /** Everything as one error. */
  toError(modelConfigId: string): EngineError {
    const violations = this.#listed.slice();
    const more = this.count - violations.length;
    if (more > 0) violations.push({ field: '', description: `and ${more} more` });
    return createRequestError('INFERFLOW_ENGINE_INVALID_REQUEST', violations[0]?.description ?? 'the request is invalid', {
      violations,
      modelConfigId,
    });
  }
}
