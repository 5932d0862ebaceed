import { type MetricPortion, ScrapeText } from './metric-portion.js';
import { createPace } from './pace.js';

/** One line of the sum: what ended processes left, then value and look of each process; NaN where there is none. */
type Row = number[];

interface Family extends Pick<MetricPortion, 'name' | 'head' | 'aggregator' | 'isLasting'> {
  /** By the line without its value. */
  readonly rows: Map<string, Row>;
}

const LINES_AT_ONCE = 200;

/**
 * The metrics of several processes as one text: counters, histograms and amounts add up, shares are averaged, of states the largest counts.
 * Counters and histograms of a process that has ended stay in. Without them a sum would fall, which reads as a restart of all.
 */
export class MetricSums {
  readonly #families = new Map<string, Family>();
  readonly #count: number;
  /** By process: the look from which on its values count. */
  readonly #since: number[];
  #looks = 0;
  #hasRetired = false;

  /** @param count of processes, which are numbered from 0 */
  constructor(count: number) {
    this.#count = count;
    this.#since = new Array<number>(count).fill(Number.POSITIVE_INFINITY);
  }

  /** A process begins to hand in all of its metrics. Returns the number of this look at it. */
  begin(process: number): number {
    const look = ++this.#looks;
    this.#since[process] = Math.min(this.#since[process]!, look);
    return look;
  }

  /** Takes some of its samples. */
  add(process: number, look: number, portion: MetricPortion): void {
    const { rows } = this.#familyOf(portion);
    const { lines } = portion;
    for (let from = 0; from < lines.length; ) {
      const end = lines.indexOf('\n', from);
      const to = end === -1 ? lines.length : end;
      const space = lines.lastIndexOf(' ', to - 1);
      const key = lines.slice(from, space);
      let row = rows.get(key);
      if (row === undefined) {
        row = new Array<number>(1 + 2 * this.#count).fill(Number.NaN);
        rows.set(key, row);
      }
      row[1 + 2 * process] = Number(lines.slice(space + 1, to));
      row[2 + 2 * process] = look;
      from = to + 1;
    }
  }

  /** It has handed in all: what it did not name is gone. */
  complete(process: number, look: number): void {
    this.#since[process] = look;
  }

  /** It has ended: its counters and histograms stay as they were, its gauges go. */
  retire(process: number): void {
    for (const { isLasting, rows } of this.#families.values()) {
      if (!isLasting) continue;
      for (const row of rows.values()) {
        if (this.#isNamed(row, process)) row[0] = (Number.isNaN(row[0]!) ? 0 : row[0]!) + row[1 + 2 * process]!;
      }
    }
    this.#since[process] = Number.POSITIVE_INFINITY;
    this.#hasRetired = true;
  }

  /** The sum in Prometheus' text format, made in slices between which other work is done. */
  async *parts(): AsyncGenerator<string> {
    const pace = createPace();
    const models = this.#hasRetired ? await this.#servedModels(pace) : null;
    const text = new ScrapeText();
    for (const family of this.#families.values()) {
      let lines: string[] = [];
      for (const [key, row] of family.rows) {
        const value = this.#valueOf(family, row, () => isServed(key, models));
        if (value === null) family.rows.delete(key);
        else lines.push(`${key} ${value}`);
        if (lines.length < LINES_AT_ONCE) continue;
        yield text.next({ ...family, lines: lines.join('\n') });
        lines = [];
        await pace();
      }
      yield text.next({ ...family, lines: lines.join('\n') });
    }
    yield '\n';
  }

  #familyOf({ name, head, aggregator, isLasting }: MetricPortion): Family {
    let family = this.#families.get(name);
    if (family === undefined) {
      family = { name, head, aggregator, isLasting, rows: new Map() };
      this.#families.set(name, family);
    }
    return family;
  }

  #isNamed(row: Row, process: number): boolean {
    return row[2 + 2 * process]! >= this.#since[process]!;
  }

  /** `null`: no process names it, and nothing is left of one. */
  #valueOf({ aggregator }: Family, row: Row, isServed: () => boolean): number | null {
    let sum = 0;
    let largest = Number.NEGATIVE_INFINITY;
    let named = 0;
    for (let process = 0; process < this.#count; process++) {
      if (!this.#isNamed(row, process)) continue;
      named++;
      sum += row[1 + 2 * process]!;
      largest = Math.max(largest, row[1 + 2 * process]!);
    }
    const retired = row[0]!;
    if (named === 0) return Number.isNaN(retired) || !isServed() ? null : retired;
    if (aggregator === 'max') return largest;
    return aggregator === 'average' ? sum / named : sum + (Number.isNaN(retired) ? 0 : retired);
  }

  /** Models that a process knows; `null` when none can say. */
  async #servedModels(pace: () => Promise<void> | undefined): Promise<ReadonlySet<string> | null> {
    const models = new Set<string>();
    for (const { rows } of this.#families.values()) {
      let at = 0;
      for (const [key, row] of rows) {
        if (++at % LINES_AT_ONCE === 0) await pace();
        const model = modelOf(key);
        if (model === null || models.has(model)) continue;
        if (this.#since.some((_, process) => this.#isNamed(row, process))) models.add(model);
      }
    }
    return models.size === 0 ? null : models;
  }
}

/** What ended processes counted for a model goes with the model. */
function isServed(key: string, models: ReadonlySet<string> | null): boolean {
  const model = models === null ? null : modelOf(key);
  return model === null || models === null || models.has(model);
}

function modelOf(key: string): string | null {
  return /[{,]model_id="((?:[^"\\]|\\.)*)"/.exec(key)?.[1] ?? null;
}
