/** Samples of one metric as text, small enough to be handled at once. */
export interface MetricPortion {
  /** Of the metric. */
  readonly name: string;
  /** Its two lines of comment. */
  readonly head: string;
  /** A line per sample, the last one without its end; empty when there is none. */
  readonly lines: string;
  /** How the values of several processes become one. */
  readonly aggregator: 'sum' | 'max' | 'average';
  /** Whether the values count on when the process has ended: those of counters and histograms. */
  readonly isLasting: boolean;
}

/** Text of portions in order, as one scrape. */
export class ScrapeText {
  #last: string | null = null;

  /** What follows the portions before. */
  next({ name, head, lines }: Pick<MetricPortion, 'name' | 'head' | 'lines'>): string {
    const body = lines === '' ? '' : `\n${lines}`;
    if (name === this.#last) return body;
    const separator = this.#last === null ? '' : '\n\n';
    this.#last = name;
    return `${separator}${head}${body}`;
  }
}
