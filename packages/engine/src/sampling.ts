import { murmur3 } from '@inferflow/matrix';

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
  return Math.abs(dailyHash(userId + dayText(input.nowMs, compat))) % 100 < percent;
}

const encoder = new TextEncoder();

/** MurmurHash3 of a text's UTF-8 bytes with seed 0, as a signed number. */
export function dailyHash(text: string): number {
  const bytes = encoder.encode(text);
  return murmur3(bytes, 0, bytes.length, 0) | 0;
}

/** DDMMYYYY. */
function dayText(nowMs: number, isLocal: boolean): string {
  const date = new Date(nowMs);
  const day = isLocal ? date.getDate() : date.getUTCDate();
  const month = (isLocal ? date.getMonth() : date.getUTCMonth()) + 1;
  const year = isLocal ? date.getFullYear() : date.getUTCFullYear();
  return `${String(day).padStart(2, '0')}${String(month).padStart(2, '0')}${String(year).padStart(4, '0')}`;
}
