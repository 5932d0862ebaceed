import type { TimingLine } from './timing-line.js';

/** Goes up. */
export interface Counter {
  /** Adds a value, 0 or more; anything else is ignored. */
  add(value: number): void;
}

/** A distribution of durations. */
export interface Histogram {
  /** Notes one duration in milliseconds; what is not a finite number of 0 or more is ignored. */
  observeMs(milliseconds: number): void;
}

/** Goes up and down. */
export interface Gauge {
  /** Anything but a finite number is ignored. */
  set(value: number): void;
}

/** Label values by label name. */
export type Labels = Readonly<Record<string, string>>;

/** Where a child's timings go: the first `count` values, which it must not keep. */
export interface TimingSink {
  writeTimings(line: TimingLine, milliseconds: Float64Array, count: number): void;
}

// The numbers live in typed arrays: adding to a plain number field may allocate a heap number each time.

/** A counter with one set of label values. */
export class CounterChild implements Counter {
  readonly labels: Labels;
  readonly statsdTags: string;
  /** total, total at the last flush, 1 when added to since (adding 0 counts). */
  readonly #cells = new Float64Array(3);

  constructor(labels: Labels, statsdTags: string) {
    this.labels = labels;
    this.statsdTags = statsdTags;
  }

  get total(): number {
    return this.#cells[0]!;
  }

  add(value: number): void {
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) return;
    const cells = this.#cells;
    cells[0]! += value;
    cells[2] = 1;
  }

  /** What was added since the last call; `undefined` if nothing was. */
  takeIncrease(): number | undefined {
    const cells = this.#cells;
    if (cells[2] === 0) return undefined;
    const increase = cells[0]! - cells[1]!;
    cells[1] = cells[0]!;
    cells[2] = 0;
    return increase;
  }
}

/** A gauge with one set of label values. */
export class GaugeChild implements Gauge {
  readonly labels: Labels;
  readonly statsdTags: string;
  /** value, 1 when set since the last flush. */
  readonly #cells = new Float64Array(2);

  constructor(labels: Labels, statsdTags: string) {
    this.labels = labels;
    this.statsdTags = statsdTags;
  }

  get value(): number {
    return this.#cells[0]!;
  }

  set(value: number): void {
    if (!Number.isFinite(value)) return;
    this.#cells[0] = value;
    this.#cells[1] = 1;
  }

  /** The value, if it was set since the last call. */
  takeValue(): number | undefined {
    if (this.#cells[1] === 0) return undefined;
    this.#cells[1] = 0;
    return this.#cells[0]!;
  }
}

/** Timings kept before they are written to the wire: 2 KiB a child. */
const TIMINGS_KEPT = 256;

/** How a histogram's timings reach the DogStatsD wire. */
export interface TimingOptions {
  readonly sink: TimingSink;
  readonly line: TimingLine;
  /** Share of observations that are sent, 0 … 1. */
  readonly samplingRate: number;
  readonly random: () => number;
}

/** A histogram with one set of label values. */
export class HistogramChild implements Histogram {
  readonly labels: Labels;
  readonly #bounds: Float64Array;
  /** Observations per bucket, the last one without an upper bound; then the sum in milliseconds. */
  readonly #cells: Float64Array;
  readonly #timing: TimingOptions | null;
  readonly #timings: Float64Array | null;
  #timingCount = 0;

  constructor(labels: Labels, bounds: Float64Array, timing: TimingOptions | null) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#cells = new Float64Array(bounds.length + 2);
    this.#timing = timing;
    this.#timings = timing === null ? null : new Float64Array(TIMINGS_KEPT);
  }

  get sumMs(): number {
    return this.#cells[this.#bounds.length + 1]!;
  }

  /** Observations in bucket `index` alone; index = number of bounds is the bucket above the last bound. */
  bucket(index: number): number {
    return this.#cells[index]!;
  }

  observeMs(milliseconds: number): void {
    if (!(milliseconds >= 0 && milliseconds < Number.POSITIVE_INFINITY)) return;
    const bounds = this.#bounds;
    const cells = this.#cells;
    let index = 0;
    while (index < bounds.length && milliseconds > bounds[index]!) index++;
    cells[index]! += 1;
    cells[bounds.length + 1]! += milliseconds;
    if (this.#timing !== null) this.#keepTiming(milliseconds, this.#timing, this.#timings!);
  }

  /** Hands over the timings kept since the last time, in order. */
  flushTimings(): void {
    const count = this.#timingCount;
    if (count === 0 || this.#timing === null) return;
    this.#timingCount = 0;
    this.#timing.sink.writeTimings(this.#timing.line, this.#timings!, count);
  }

  #keepTiming(milliseconds: number, timing: TimingOptions, timings: Float64Array): void {
    if (timing.samplingRate < 1 && timing.random() >= timing.samplingRate) return;
    timings[this.#timingCount++] = milliseconds;
    if (this.#timingCount === TIMINGS_KEPT) this.flushTimings();
  }
}
