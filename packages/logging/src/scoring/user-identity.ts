import { createHash, createHmac } from 'node:crypto';

/** How a ScoringLog names users. */
export type UserIdForm = 'hash' | 'plain' | 'omit';

/** Options of {@link UserIdentity}. */
export interface UserIdentityOptions {
  /** @default hash */
  readonly form?: UserIdForm;
  /** Secret of the hash: without it ids that can be guessed can be found again. */
  readonly secret?: string;
  /** Columns whose texts are treated like the user id. @default user_id */
  readonly columns?: readonly string[];
}

const encoder = new TextEncoder();
const hashBytes = 16;

/** Turns user ids into what the log may say of them: always the same for the same user and secret. */
export class UserIdentity {
  readonly form: UserIdForm;
  readonly #secret: string;
  readonly #columns: ReadonlySet<string>;

  constructor(options: UserIdentityOptions = {}) {
    this.form = options.form ?? 'hash';
    this.#secret = options.secret ?? '';
    this.#columns = new Set(options.columns ?? ['user_id']);
  }

  /** Whether cells of a column are replaced. */
  covers(column: string): boolean {
    return this.form !== 'plain' && this.#columns.has(column);
  }

  /** The logged form of an id; '' for none. */
  textOf(userId: string): string {
    if (userId === '' || this.form === 'omit') return '';
    return this.form === 'plain' ? userId : this.#hash(encoder.encode(userId));
  }

  /** The logged form of a cell; empty = left out. */
  bytesOf(cell: Uint8Array): Uint8Array {
    return cell.length === 0 || this.form === 'omit' ? new Uint8Array(0) : encoder.encode(this.#hash(cell));
  }

  #hash(bytes: Uint8Array): string {
    const hash = this.#secret === '' ? createHash('sha256') : createHmac('sha256', this.#secret);
    return hash
      .update(bytes)
      .digest('hex')
      .slice(0, hashBytes * 2);
  }
}
