import type { RequestDetails } from '@inferflow/engine';
import type { ScoringColumnCells, ScoringRequest } from '@inferflow/logging/scoring';
import { CellStatus, type Matrix } from '@inferflow/matrix';
import { cellBytes, cellDelta, firstNumber } from './cell-numbers.js';
import { LogHistogram, RangeHistogram } from './histogram.js';
import { kendallTau, topOverlap } from './rank-change.js';
import type { ReplayEntry } from './replay-entry.js';

/** What counts as a change. */
export interface ComparisonSettings {
  /** Differences up to this, times the larger of 1 and the logged score, are none. */
  readonly tolerance: number;
  readonly top: number;
  /** Column to rank by; absent = the last score of the answer. */
  readonly score?: string;
}

/** Differences of one score column. */
export class ScoreDifferences {
  readonly column: string;
  readonly scope: 'target' | 'slate';
  readonly deltas = new LogHistogram();
  changed = 0;
  /** Had a score in the log and has none now, or the other way round. */
  lost = 0;
  gained = 0;
  /** Rows that could not be compared: the log cannot tell what the model would answer now. */
  unknown = 0;
  /** The candidate does not answer this column. */
  gone = 0;

  constructor(column: string, scope: 'target' | 'slate') {
    this.column = column;
    this.scope = scope;
  }
}

/** How often one column got a value or lost it. */
export class ColumnDifferences {
  rows = 0;
  newlyDefaulted = 0;
  newlyWithout = 0;
  newlyFilled = 0;
  /** The log does not have the column. */
  isNew = false;
}

/** A row whose score changed much. */
export interface WorstRow {
  readonly trackingId: string;
  readonly row: number;
  readonly column: string;
  readonly logged: number;
  readonly now: number;
  readonly delta: number;
}

const keptWorst = 10;

/** Everything that differs between a model's logged answers and those of the candidate. Memory does not grow with the log. */
export class ModelComparison {
  readonly modelConfigId: string;
  requests = 0;
  rows = 0;
  slates = 0;
  readonly loggedHashes = new Set<string>();
  readonly scores = new Map<string, ScoreDifferences>();
  readonly columns = new Map<string, ColumnDifferences>();
  /** Per component: inputs filled with defaults, in the log and now. */
  readonly defaultedInputs = new Map<string, { logged: number; now: number }>();
  readonly unknownReasons = new Map<string, string>();
  readonly failures = new Map<string, number>();
  readonly tau = new RangeHistogram(-1, 1);
  readonly overlap = new RangeHistogram(0, 1);
  readonly worst: WorstRow[] = [];
  rankColumn = '';
  readonly #settings: ComparisonSettings;

  constructor(modelConfigId: string, settings: ComparisonSettings) {
    this.modelConfigId = modelConfigId;
    this.#settings = settings;
  }

  /** Counts a request that the candidate refused. */
  failed(code: string): void {
    this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
  }

  /** Compares a request that has run again; its record must still be held. */
  add(entry: ReplayEntry): void {
    const { request, record, details } = entry;
    if (record === null || details === null) return;
    this.requests++;
    this.rows += request.head.rowCount;
    this.slates += request.head.slateCount;
    // More configurations than anybody would look at are not listed.
    if (this.loggedHashes.size < 100) this.loggedHashes.add(request.head.configHash);
    for (const [component, reason] of entry.unknownReasons) this.unknownReasons.set(component, reason);
    this.#compareColumns(entry, details, record.matrix);
    // A score that is not known is a default to what reads it: that says nothing about the candidate.
    if (entry.unknownRows.size + entry.unknownSlates.size === 0) this.#compareInputs(request, details);
    const scores = scoreColumns(request, 'target');
    for (const column of scores) this.#compareScores(entry, column, 'target');
    for (const column of scoreColumns(request, 'slate')) this.#compareScores(entry, column, 'slate');
    const ranked = this.#settings.score === undefined ? scores.at(-1) : scores.find(({ name }) => name === this.#settings.score);
    if (ranked !== undefined) this.#compareRanks(entry, ranked);
  }

  #compareScores(entry: ReplayEntry, logged: ScoringColumnCells, scope: 'target' | 'slate'): void {
    const key = `${scope} ${logged.name}`;
    let differences = this.scores.get(key);
    if (differences === undefined) {
      differences = new ScoreDifferences(logged.name, scope);
      this.scores.set(key, differences);
    }
    const rows = scope === 'slate' ? entry.request.head.slateCount : entry.request.head.rowCount;
    const place = placeOf(entry, logged.name, scope);
    for (let row = 0; row < rows; row++) {
      if (isUnknown(entry, scope, row)) {
        differences.unknown++;
        continue;
      }
      if (place === null) {
        differences.gone++;
        continue;
      }
      const had = logged.hasValue(row);
      const has = place.hasValue(row);
      if (had && has) this.#addDelta(entry, differences, logged, place, row);
      else if (had) differences.lost++;
      else if (has) differences.gained++;
      else differences.deltas.add(0);
    }
  }

  #addDelta(entry: ReplayEntry, differences: ScoreDifferences, logged: ScoringColumnCells, place: Place, row: number): void {
    const before = logged.bytes(row);
    const delta = cellDelta(logged.dataType, before, place.type, place.bytes(row));
    const old = firstNumber(logged.dataType, before);
    const isChanged = delta > this.#settings.tolerance * Math.max(1, Math.abs(old));
    differences.deltas.add(isChanged ? Math.min(delta, Number.MAX_VALUE) : 0);
    if (!isChanged) return;
    differences.changed++;
    const last = this.worst.at(-1);
    if (this.worst.length >= keptWorst && last !== undefined && delta <= last.delta) return;
    const now = firstNumber(place.type, place.bytes(row));
    this.worst.push({ trackingId: entry.request.head.trackingId, row, column: logged.name, logged: old, now, delta });
    this.worst.sort((left, right) => right.delta - left.delta);
    if (this.worst.length > keptWorst) this.worst.length = keptWorst;
  }

  #compareRanks(entry: ReplayEntry, logged: ScoringColumnCells): void {
    const place = placeOf(entry, logged.name, 'target');
    if (place === null) return;
    this.rankColumn = logged.name;
    const before: number[] = [];
    const now: number[] = [];
    for (let row = 0; row < entry.request.head.rowCount; row++) {
      if (!logged.hasValue(row) || !place.hasValue(row) || isUnknown(entry, 'target', row)) continue;
      const old = firstNumber(logged.dataType, logged.bytes(row));
      const fresh = firstNumber(place.type, place.bytes(row));
      if (Number.isNaN(old) || Number.isNaN(fresh)) continue;
      before.push(old);
      // What is within the tolerance is no change: neither of the score nor of the order.
      now.push(Math.abs(fresh - old) <= this.#settings.tolerance * Math.max(1, Math.abs(old)) ? old : fresh);
    }
    if (before.length < 2) return;
    const tau = kendallTau(before, now);
    if (!Number.isNaN(tau)) this.tau.add(tau);
    this.overlap.add(topOverlap(before, now, this.#settings.top));
  }

  #compareColumns(entry: ReplayEntry, details: RequestDetails, matrix: Matrix): void {
    const rows = entry.request.head.rowCount;
    details.targetBlocks.forEach((owner, index) => {
      const block = matrix.blocks[index];
      if (owner?.origin !== 'component' || block == null) return;
      block.shape.slots.forEach(({ name }, slot) => {
        const logged = entry.written('target', owner.componentName, name);
        const key = `${owner.componentName} ${name}`;
        let column = this.columns.get(key);
        if (column === undefined) {
          column = new ColumnDifferences();
          this.columns.set(key, column);
        }
        column.rows += rows;
        if (logged === undefined) column.isNew = true;
        for (let row = 0; row < rows; row++) {
          if (entry.unknownRows.has(row)) continue;
          const blockRow = block.blockRowOf(row);
          const now = blockRow < 0 ? CellStatus.skipped : block.status(blockRow, slot);
          const before = logged === undefined ? CellStatus.fresh : logged.status(row);
          if (now === before) continue;
          if (before < 8 && now >= 8) column.newlyWithout++;
          else if (before >= 8 && now < 8) column.newlyFilled++;
          if (before < CellStatus.defaulted && now === CellStatus.defaulted) column.newlyDefaulted++;
        }
      });
    });
  }

  #compareInputs(request: ScoringRequest, details: RequestDetails): void {
    for (const { componentName, defaultedInputs } of details.components) {
      const logged = request.components.find(({ name }) => name === componentName)?.defaultedInputs ?? 0;
      if (logged === 0 && defaultedInputs === 0) continue;
      const counts = this.defaultedInputs.get(componentName) ?? { logged: 0, now: 0 };
      counts.logged += logged;
      counts.now += defaultedInputs;
      this.defaultedInputs.set(componentName, counts);
    }
  }
}

/** Columns of the answer that a model, an expression or a plugin wrote, in the order of the answer. */
function scoreColumns({ head, components, targets, slates }: ScoringRequest, scope: 'target' | 'slate'): readonly ScoringColumnCells[] {
  const writers = new Set(components.filter(({ kind }) => kind !== 'feature').map(({ name }) => name));
  const columns = (scope === 'slate' ? slates : targets).all;
  return head.responseColumns.flatMap((name) =>
    columns.filter((column) => column.name === name && writers.has(column.component)).slice(0, 1),
  );
}

function isUnknown(entry: ReplayEntry, scope: 'target' | 'slate', row: number): boolean {
  if (scope === 'target') return entry.unknownRows.has(row);
  if (entry.unknownSlates.has(row)) return true;
  if (entry.unknownRows.size === 0) return false;
  const from = entry.slateStarts[row] as number;
  const to = from + (entry.request.slateSizes[row] as number);
  for (let at = from; at < to; at++) if (entry.unknownRows.has(entry.request.slateTargets[at] as number)) return true;
  return false;
}

/** A column of the candidate's answer. */
interface Place {
  readonly type: ScoringColumnCells['dataType'];
  hasValue(row: number): boolean;
  bytes(row: number): Uint8Array;
}

function placeOf({ record }: ReplayEntry, name: string, scope: 'target' | 'slate'): Place | null {
  const matrix = scope === 'slate' ? record?.slate?.matrix : record?.matrix;
  const source = scope === 'slate' ? record?.slateColumn(name) : record?.target(name);
  if (matrix == null || source == null) return null;
  const block = matrix.blockOf(source.first);
  const slot = block === null ? -1 : block.shape.slots.findIndex((each) => each.name === name);
  if (block === null || slot < 0) return null;
  return {
    type: (block.shape.slots[slot] as (typeof block.shape.slots)[number]).type,
    hasValue(row) {
      const blockRow = block.blockRowOf(row);
      return blockRow >= 0 && block.status(blockRow, slot) < 8;
    },
    bytes: (row) => cellBytes(block, block.blockRowOf(row), slot),
  };
}
