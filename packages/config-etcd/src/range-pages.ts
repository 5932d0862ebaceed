/** Bytes that one page of a read should hold: decoding it takes a few milliseconds. */
const PAGE_BYTES = 512 * 1024;
const FIRST_LIMIT = 16;
const LAST_LIMIT = 1000;

/** How many keys to ask for at once, learnt from what came: values can be of any size, and a page is decoded in one go. */
export class PageSize {
  limit = FIRST_LIMIT;

  learn(keys: number, bytes: number): void {
    if (keys === 0) return;
    const wanted = Math.floor(PAGE_BYTES / Math.max(bytes / keys, 1));
    // Not in one leap: the next values may be larger.
    this.limit = Math.max(1, Math.min(wanted, this.limit * 4, LAST_LIMIT));
  }
}

/** The first key after all that begin with a prefix, which must not be empty. */
export function prefixEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  // The last byte of UTF-8 is never 255.
  end[end.length - 1] = (end[end.length - 1] ?? 0) + 1;
  return end;
}
