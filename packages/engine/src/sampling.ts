import { putUtf8, utf8Size } from '@inferflow/proto/hot';

/** MurmurHash3 x86 32-bit of a text's UTF-8 bytes with seed 0, as a signed number. */
export function murmur3(text: string): number {
  const length = utf8Size(text);
  const bytes = new Uint8Array(length);
  putUtf8(bytes, 0, text);
  let hash = 0;
  const blocks = length & ~3;
  for (let at = 0; at < blocks; at += 4) {
    const word =
      (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
    hash ^= scramble(word);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = length - 1; at >= blocks; at--) tail = (tail << 8) | (bytes[at] as number);
  if (length > blocks) hash ^= scramble(tail);
  hash ^= length;
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function scramble(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

/** What daily sampling looks at. */
export interface SamplingInput {
  readonly userId: string;
  /** Stands in for an absent user, so that anonymous requests are sampled one by one. */
  readonly routeHash: number;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** As the original: local date, and all anonymous users share one outcome a day. */
  readonly compat: boolean;
}

/** Whether a user is among `percent` % today: the same answer all day (UTC), another group of users tomorrow. */
export function isSampled(percent: number, input: SamplingInput): boolean {
  if (percent <= 0) return false;
  if (percent >= 100) return true;
  const { userId, compat } = input;
  if (userId === '' && !compat) return (input.routeHash >>> 0) % 100 < percent;
  return Math.abs(murmur3(userId + dayText(input.nowMs, compat))) % 100 < percent;
}

/** DDMMYYYY. */
function dayText(nowMs: number, isLocal: boolean): string {
  const date = new Date(nowMs);
  const day = isLocal ? date.getDate() : date.getUTCDate();
  const month = (isLocal ? date.getMonth() : date.getUTCMonth()) + 1;
  const year = isLocal ? date.getFullYear() : date.getUTCFullYear();
  return `${String(day).padStart(2, '0')}${String(month).padStart(2, '0')}${String(year).padStart(4, '0')}`;
}
