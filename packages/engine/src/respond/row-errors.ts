import type { Failure, RowFaults } from '@inferflow/components';
import type { Slate } from '@inferflow/matrix';
import { DefaultedRow } from '@inferflow/matrix';
import { failureText } from '../failure-text.js';
import type { RequestRun } from '../run/request-run.js';
import { utf8Bytes } from '../utf8-bytes.js';
import type { UnreadableTexts } from './fill-cells.js';

/** A row lists this many causes; the rest is counted. A failing store behind twenty components must not blow up an answer. */
const MAX_CAUSES = 3;

/** Texts of the rows whose scores do not rest on real inputs, per target and per slate; null = none. */
export interface RowErrors {
  readonly targets: (Uint8Array | null)[] | null;
  readonly slates: (Uint8Array | null)[] | null;
}

const none: RowErrors = Object.freeze({ targets: null, slates: null });

/** Collects the faults of all components. Texts are made for faulty rows only, and once per combination of causes. */
export function collectRowErrors(run: RequestRun, unreadable: UnreadableTexts | null = null): RowErrors {
  if (unreadable === null && !hasFaults(run)) return none;
  const targets = new RowTexts(run.matrix.rowCount);
  const { slate } = run;
  const slates = slate === null ? null : new RowTexts(slate.matrix.rowCount);
  const { components } = run.bound.plan;
  let hasSlateComponent = false;
  for (let index = 0; index < components.length; index++) {
    const component = components[index];
    const state = run.states[index];
    if (component === undefined || state === null || state === undefined) continue;
    const isSlate = component.component.scope === 'slate';
    if (isSlate) hasSlateComponent = true;
    const rows = isSlate ? slates : targets;
    if (rows === null) continue;
    const because = run.skippedBecause[index] as number;
    const failure = run.failures[index] ?? null;
    if (because >= 0) rows.addAll(`${component.name}: skipped, because ${components[because]?.name ?? ''} failed`);
    else if (failure !== null) rows.addAll(textOf(component.name, failure));
    else addFaults(rows, component.name, state.faults, isSlate ? state.rows.slateOf : null, state.rows.count);
  }
  unreadable?.rows.forEach((row, index) => {
    targets.add(row, unreadable.reasons[index] as string);
  });
  if (slates !== null && slate !== null && hasSlateComponent) {
    addEmptySlates(slates, slate.offsets);
    addFaultyTargets(slates, targets, slate);
  }
  return { targets: targets.encode(), slates: slates?.encode() ?? null };
}

function hasFaults(run: RequestRun): boolean {
  const { slate } = run;
  for (let index = 0; index < run.states.length; index++) {
    const faults = run.states[index]?.faults;
    if (run.failures[index] !== null || (run.skippedBecause[index] as number) >= 0) return true;
    if (faults !== undefined && (faults.count > 0 || faults.defaulted !== null)) return true;
  }
  if (slate === null) return false;
  for (let at = 1; at < slate.offsets.length; at++) if (slate.offsets[at] === slate.offsets[at - 1]) return true;
  return false;
}

function addFaults(rows: RowTexts, name: string, faults: RowFaults, slateOf: Int32Array | null, count: number): void {
  for (let fault = 0; fault < faults.count; fault++) {
    const text = textOf(name, faults.failure(fault));
    let last = -1;
    for (let position = faults.from(fault); position < faults.to(fault); position++) {
      const row = slateOf === null ? position : (slateOf[position] as number);
      // Several members of one slate are one fault of the slate.
      if (row !== last) rows.add(row, text);
      last = row;
    }
  }
  const marks = faults.defaulted;
  if (marks === null) return;
  const text = `${name}: an input that could not be had was filled with its default`;
  let last = -1;
  for (let position = 0; position < count; position++) {
    // What the sources do not have is no error: the models are made for it, and quality counts it.
    if ((marks[position] as number) < DefaultedRow.lost) continue;
    const row = slateOf === null ? position : (slateOf[position] as number);
    if (row !== last) rows.add(row, text);
    last = row;
  }
}

function addEmptySlates(rows: RowTexts, offsets: Int32Array): void {
  for (let row = 0; row + 1 < offsets.length; row++) if (offsets[row] === offsets[row + 1]) rows.add(row, 'no targets: nothing to score');
}

/** A score of a slate rests on what its targets rest on. */
function addFaultyTargets(slates: RowTexts, targets: RowTexts, { offsets, targets: members }: Slate): void {
  for (let row = 0; row + 1 < offsets.length; row++) {
    if (slates.has(row)) continue;
    for (let at = offsets[row] as number; at < (offsets[row + 1] as number); at++) {
      const target = members[at] as number;
      if (!targets.has(target)) continue;
      slates.add(row, `target ${target} of this slate has an error`);
      break;
    }
  }
}

function textOf(name: string, failure: Failure): string {
  return `${name}: ${failureText(failure)}`;
}

class RowTexts {
  readonly #texts: (string | null)[];
  readonly #causes: Uint16Array;

  constructor(rowCount: number) {
    this.#texts = new Array<string | null>(rowCount).fill(null);
    this.#causes = new Uint16Array(rowCount);
  }

  add(row: number, text: string): void {
    const before = this.#texts[row] ?? null;
    // Two outputs of one model call fail with the same words.
    if (before !== null && (before === text || before.endsWith(`; ${text}`))) return;
    const causes = (this.#causes[row] as number) + 1;
    this.#causes[row] = causes;
    if (causes > MAX_CAUSES) return;
    this.#texts[row] = before === null ? text : `${before}; ${text}`;
  }

  has(row: number): boolean {
    return (this.#causes[row] as number) > 0;
  }

  addAll(text: string): void {
    for (let row = 0; row < this.#texts.length; row++) this.add(row, text);
  }

  /** null when no row has a text. */
  encode(): (Uint8Array | null)[] | null {
    const known = new Map<string, Uint8Array>();
    let hasText = false;
    const encoded = this.#texts.map((text, row) => {
      if (text === null) return null;
      hasText = true;
      const more = (this.#causes[row] as number) - MAX_CAUSES;
      const whole = more > 0 ? `${text}; and ${more} more` : text;
      let bytes = known.get(whole);
      if (bytes === undefined) {
        bytes = utf8Bytes(whole);
        known.set(whole, bytes);
      }
      return bytes;
    });
    return hasText ? encoded : null;
  }
}
