import { putUtf8, utf8Size } from '../wire/utf8.js';
import { lengthFieldSize, putBytes, putLength, putTag, putVarint, varintSize } from '../wire/write.js';

/*
 * inferflow.v1.Quality as it is written, tags in hex.
 *
 *   «0a component: 0a name | 10 status | 1a reason | 20 duration_us, in three bytes»
 *   12 cells: 08 provided | 10 fresh | 18 cached | … in the order of `cellCountFields`, those that are 0 left out
 *   «1a inputs_defaulted: 0a component | 10 count»
 *   22 config_hash
 *   «2a absent_columns: 0a component | «12 column»»        constant per bound plan
 */

/** `ComponentOutcome.Status`. */
export const ComponentStatus = { ok: 1, failed: 2, skipped: 3, abandoned: 4, defaulted: 5 } as const;
export type ComponentStatus = (typeof ComponentStatus)[keyof typeof ComponentStatus];

/** Fields of `CellCounts`, in field order from 1 on. */
export const cellCountFields = ['provided', 'fresh', 'cached', 'stale', 'defaulted', 'missing', 'null', 'failed', 'skipped'] as const;

/** Encodes one `Quality` message after the other into a buffer of its own. */
export class QualityWriter {
  /** The message is `bytes[0, length)`, valid until the next `begin`. */
  bytes = new Uint8Array(512);
  length = 0;

  begin(): void {
    this.length = 0;
  }

  /** Adds an outcome. Texts are UTF-8. */
  component(name: Uint8Array, status: ComponentStatus, reason: Uint8Array | null, durationUs: number): void {
    const reasonLength = reason?.length ?? 0;
    const duration = Math.min(Math.max(Math.round(durationUs), 0), 0xffff_ffff);
    const size =
      lengthFieldSize(1, name.length) + 2 + (reasonLength > 0 ? lengthFieldSize(3, reasonLength) : 0) + 1 + durationSize(duration);
    let at = this.#open(1, size);
    const { bytes } = this;
    at = putLength(bytes, at, 1, name.length);
    at = putBytes(bytes, at, name, 0, name.length);
    at = putTag(bytes, at, 2, 0);
    at = putVarint(bytes, at, status);
    if (reason !== null && reasonLength > 0) {
      at = putLength(bytes, at, 3, reasonLength);
      at = putBytes(bytes, at, reason, 0, reasonLength);
    }
    at = putTag(bytes, at, 4, 0);
    this.length = putDuration(bytes, at, duration);
  }

  /** Sets the cell counts, in the order of {@link cellCountFields}. */
  cells(counts: ArrayLike<number>): void {
    let size = 0;
    for (let field = 1; field <= cellCountFields.length; field++) {
      const count = counts[field - 1] ?? 0;
      if (count > 0) size += 1 + varintSize(count);
    }
    let at = this.#open(2, size);
    for (let field = 1; field <= cellCountFields.length; field++) {
      const count = counts[field - 1] ?? 0;
      if (count === 0) continue;
      at = putTag(this.bytes, at, field, 0);
      at = putVarint(this.bytes, at, count);
    }
    this.length = at;
  }

  /** Adds the number of model inputs of a component that were filled with a default. */
  inputsDefaulted(name: Uint8Array, count: number): void {
    const size = lengthFieldSize(1, name.length) + 1 + varintSize(count);
    let at = this.#open(3, size);
    at = putLength(this.bytes, at, 1, name.length);
    at = putBytes(this.bytes, at, name, 0, name.length);
    at = putTag(this.bytes, at, 2, 0);
    this.length = putVarint(this.bytes, at, count);
  }

  configHash(hash: Uint8Array): void {
    const at = this.#open(4, hash.length);
    this.length = putBytes(this.bytes, at, hash, 0, hash.length);
  }

  /** Adds what {@link encodeAbsentColumns} encoded. */
  absentColumns(encoded: Uint8Array): void {
    this.#reserve(encoded.length);
    this.length = putBytes(this.bytes, this.length, encoded, 0, encoded.length);
  }

  /** Writes tag and length of a field and makes room for its content; returns where that starts. */
  #open(field: number, size: number): number {
    this.#reserve(lengthFieldSize(field, size));
    return putLength(this.bytes, this.length, field, size);
  }

  #reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
}

// Below two seconds a duration takes three bytes, whatever it is: answers that say the same are equally long.
const threeBytes = 1 << 21;

function durationSize(duration: number): number {
  return duration < threeBytes ? 3 : varintSize(duration);
}

function putDuration(target: Uint8Array, at: number, duration: number): number {
  if (duration >= threeBytes) return putVarint(target, at, duration);
  target[at] = duration | 0x80;
  target[at + 1] = (duration >>> 7) | 0x80;
  target[at + 2] = duration >>> 14;
  return at + 3;
}

/** The field `absent_columns` for what one request schema leaves without a source. For compile time. */
export function encodeAbsentColumns(absent: readonly { readonly component: string; readonly columns: readonly string[] }[]): Uint8Array {
  const sizes = absent.map(({ component, columns }) => {
    const own = component === '' ? 0 : lengthFieldSize(1, utf8Size(component));
    return columns.reduce((size, column) => size + lengthFieldSize(2, utf8Size(column)), own);
  });
  const bytes = new Uint8Array(sizes.reduce((total, size) => total + lengthFieldSize(5, size), 0));
  let at = 0;
  absent.forEach(({ component, columns }, index) => {
    at = putLength(bytes, at, 5, sizes[index] as number);
    if (component !== '') at = putUtf8(bytes, putLength(bytes, at, 1, utf8Size(component)), component);
    for (const column of columns) at = putUtf8(bytes, putLength(bytes, at, 2, utf8Size(column)), column);
  });
  return bytes;
}
