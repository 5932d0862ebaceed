import { plainDecimal } from './statsd-line.js';

/** Nanoseconds up to here are exact, and their digits are written without a string. */
const MAX_EXACT_MS = 4e9;
/** Digits of any number that `toFixed(6)` writes plainly, the point and the six places. */
const MAX_VALUE_BYTES = 21 + 1 + 6;
const ZERO = 0x30;

/**
 * `name:1.250000|ms|@0.1|#…` for every value of one child: milliseconds with six places, the rate where it is below 1. Head and tail are
 * bytes made once, because the lines of a few requests fill a packet.
 */
export class TimingLine {
  /** No line is longer. */
  readonly maxBytes: number;
  readonly #head: Buffer;
  readonly #tail: Buffer;

  /** @param tags begin with `|#`, or are empty */
  constructor(name: string, samplingRate: number, tags: string) {
    this.#head = Buffer.from(`${name}:`);
    this.#tail = Buffer.from(`|ms${samplingRate < 1 ? `|@${plainDecimal(samplingRate)}` : ''}${tags}`);
    this.maxBytes = this.#head.length + MAX_VALUE_BYTES + this.#tail.length;
  }

  /** Writes the line of a value, 0 or more; returns where it ends. */
  write(milliseconds: number, target: Buffer, at: number): number {
    const value = at + this.#head.copy(target, at);
    const end =
      milliseconds < MAX_EXACT_MS
        ? putMilliseconds(milliseconds, target, value)
        : value + target.write(toFixed(milliseconds), value, 'latin1');
    return end + this.#tail.copy(target, end);
  }
}

function putMilliseconds(milliseconds: number, target: Buffer, at: number): number {
  const nanoseconds = Math.round(milliseconds * 1e6);
  let whole = Math.floor(nanoseconds / 1e6);
  let rest = nanoseconds - whole * 1e6;
  let end = at + 1;
  for (let above = 10; above <= whole; above *= 10) end++;
  for (let place = end - 1; place >= at; place--) {
    const next = Math.floor(whole / 10);
    target[place] = ZERO + (whole - next * 10);
    whole = next;
  }
  target[end] = 0x2e;
  for (let place = end + 6; place > end; place--) {
    const next = Math.floor(rest / 10);
    target[place] = ZERO + (rest - next * 10);
    rest = next;
  }
  return end + 7;
}

function toFixed(milliseconds: number): string {
  return milliseconds < 1e21 ? milliseconds.toFixed(6) : '999999999999999999999.000000';
}
