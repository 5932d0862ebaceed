/** Quantiles of numbers of any size in fixed memory: counts in buckets that are 1 % wide. Zeros count as themselves. */
export class LogHistogram {
  count = 0;
  sum = 0;
  max = 0;
  readonly #buckets = new Float64Array(bucketCount);
  #zeros = 0;

  /** Adds a number that is not negative. */
  add(value: number): void {
    this.count++;
    this.sum += value;
    if (value > this.max) this.max = value;
    if (value < smallest) this.#zeros++;
    else {
      const bucket = Math.min(Math.floor(Math.log(value / smallest) / step), bucketCount - 1);
      this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1;
    }
  }

  get mean(): number {
    return this.count === 0 ? 0 : this.sum / this.count;
  }

  /** The value below which `share` (0–1) of the numbers are, within 1 %. */
  quantile(share: number): number {
    const rank = Math.ceil(share * this.count);
    let seen = this.#zeros;
    if (rank <= seen) return 0;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      seen += this.#buckets[bucket] as number;
      if (seen >= rank) return Math.min(smallest * Math.exp((bucket + 0.5) * step), this.max);
    }
    return this.max;
  }

  /** Counts by power of ten, for drawing: from 10^−12 up; index 0 holds zeros. */
  decades(): readonly { readonly from: number; readonly count: number }[] {
    const counts = new Map<number, number>();
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      const count = this.#buckets[bucket] as number;
      if (count === 0) continue;
      const decade = Math.floor(Math.log10(smallest * Math.exp((bucket + 0.5) * step)));
      counts.set(decade, (counts.get(decade) ?? 0) + count);
    }
    const decades = [...counts].sort(([left], [right]) => left - right).map(([decade, count]) => ({ from: 10 ** decade, count }));
    return [{ from: 0, count: this.#zeros }, ...decades];
  }
}

const smallest = 1e-12;
const step = Math.log(1.01);
const bucketCount = Math.ceil(Math.log(1e30 / smallest) / step);

/** Quantiles of numbers between two bounds in fixed memory, within a two-thousandth of the range. */
export class RangeHistogram {
  count = 0;
  sum = 0;
  min = Number.POSITIVE_INFINITY;
  readonly #from: number;
  readonly #width: number;
  readonly #buckets = new Float64Array(2001);

  constructor(from: number, to: number) {
    this.#from = from;
    this.#width = (to - from) / 2000;
  }

  add(value: number): void {
    this.count++;
    this.sum += value;
    if (value < this.min) this.min = value;
    const bucket = Math.max(0, Math.min(2000, Math.round((value - this.#from) / this.#width)));
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1;
  }

  get mean(): number {
    return this.count === 0 ? Number.NaN : this.sum / this.count;
  }

  quantile(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.count));
    let seen = 0;
    for (let bucket = 0; bucket <= 2000; bucket++) {
      seen += this.#buckets[bucket] as number;
      if (seen >= rank) return Math.max(this.#from + bucket * this.#width, this.min);
    }
    return Number.NaN;
  }
}
