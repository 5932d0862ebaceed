import { TelemetryError, TelemetryErrorCode } from './errors.js';
import type { Labels } from './metric-child.js';
import type { MetricDefinition } from './metric-table.js';

/** The value of every label of the child that takes what does not fit. */
const OVERFLOW_VALUE = 'other';

/** All children of one metric: same label values, same child; a bounded number of them. */
export class MetricFamily<Child> {
  readonly definition: MetricDefinition;
  readonly #create: (labels: Labels) => Child;
  readonly #maxChildren: number;
  readonly #overflowed: () => void;
  readonly #children = new Map<string, { readonly labels: Labels; readonly child: Child }>();
  #overflow: Child | undefined;

  /** `overflowed` is told of every bind that was turned away to the `other` child. */
  constructor(definition: MetricDefinition, maxChildren: number, create: (labels: Labels) => Child, overflowed: () => void) {
    this.definition = definition;
    this.#maxChildren = maxChildren;
    this.#create = create;
    this.#overflowed = overflowed;
  }

  /** @throws TelemetryError `INFERFLOW_TELEMETRY_LABELS_INVALID` */
  bind(labels: Labels): Child {
    this.#check(labels);
    // An empty value means the same to Prometheus as no label.
    const present = this.definition.labels.filter((name) => labels[name] !== undefined && labels[name] !== '');
    const key = JSON.stringify(present.map((name) => [name, labels[name]]));
    const known = this.#children.get(key);
    if (known !== undefined) return known.child;
    if (this.#children.size >= this.#maxChildren) {
      this.#overflowed();
      this.#overflow ??= this.#create(Object.freeze(Object.fromEntries(this.definition.labels.map((name) => [name, OVERFLOW_VALUE]))));
      return this.#overflow;
    }
    const kept: Labels = Object.freeze(Object.fromEntries(present.map((name) => [name, labels[name]!])));
    const child = this.#create(kept);
    this.#children.set(key, { labels: kept, child });
    return child;
  }

  /** Drops the children whose label has one of these values. Who still holds one may go on observing; nobody sees it. */
  forget(label: string, values: ReadonlySet<string>): void {
    for (const [key, { labels }] of this.#children) {
      const value = labels[label];
      if (value !== undefined && values.has(value)) this.#children.delete(key);
    }
  }

  get size(): number {
    return this.#children.size + (this.#overflow === undefined ? 0 : 1);
  }

  *children(): IterableIterator<Child> {
    for (const { child } of this.#children.values()) yield child;
    if (this.#overflow !== undefined) yield this.#overflow;
  }

  #check(labels: Labels): void {
    const { name, labels: names, optionalLabels } = this.definition;
    const missing = names.filter((label) => labels[label] === undefined && !optionalLabels.includes(label));
    const surplus = Object.keys(labels).filter((label) => !names.includes(label));
    if (missing.length === 0 && surplus.length === 0) return;
    const problems = [...missing.map((label) => `"${label}" is missing`), ...surplus.map((label) => `"${label}" is not one of them`)];
    const message = `metric "${name}" has the labels [${names.join(', ')}]: ${problems.join(', ')}`;
    throw new TelemetryError(TelemetryErrorCode.labelsInvalid, message);
  }
}
