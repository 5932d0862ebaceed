import { OutcomeStatus } from '@inferflow/dag';
import { CellStatus, type Matrix } from '@inferflow/matrix';
import { ComponentStatus, cellCountFields, type QualityWriter } from '@inferflow/proto/hot';
import { TargetBlock } from '../compile/model-plan.js';
import { failureText } from '../failure-text.js';
import type { RequestRun } from '../run/request-run.js';
import { utf8Bytes } from '../utf8-bytes.js';

/** Status codes in the field order of `CellCounts`. */
const countedStatuses: readonly CellStatus[] = cellCountFields.map((name) => CellStatus[name]);

const missingField = countedStatuses.indexOf(CellStatus.missing);
const counts = new Int32Array(countedStatuses.length);

/** Encodes the quality of a run that has ended. */
export function writeQuality(writer: QualityWriter, run: RequestRun): void {
  writer.begin();
  const { components } = run.bound.plan;
  for (let index = 0; index < components.length; index++) {
    const name = components[index]?.nameBytes ?? nothing;
    const faults = run.states[index]?.faults ?? null;
    writer.component(name, statusOf(run, index), reasonOf(run, index), run.outcomes.durationMs(index) * 1000);
    if (faults !== null && faults.defaultedCells > 0) writer.inputsDefaulted(name, faults.defaultedCells);
  }
  writer.cells(countCells(run));
  if (run.bound.absent.count > 0) writer.absentColumns(run.bound.absent.encoded);
  if (run.includeConfigHash) writer.configHash(run.bound.plan.configHashBytes);
}

/** How a component ended, as answers report it. */
export function statusOf(run: RequestRun, index: number): ComponentStatus {
  switch (run.outcomes.status(index)) {
    case OutcomeStatus.ok:
      return (run.states[index]?.faults.count ?? 0) > 0 ? ComponentStatus.defaulted : ComponentStatus.ok;
    case OutcomeStatus.skipped:
      return ComponentStatus.skipped;
    case OutcomeStatus.abandoned:
      return ComponentStatus.abandoned;
    default:
      return ComponentStatus.failed;
  }
}

/** Why a component did not end well, as answers report it; null = it did. */
export function reasonOf(run: RequestRun, index: number): Uint8Array | null {
  const because = run.skippedBecause[index] as number;
  if (because >= 0) return utf8Bytes(`dependency: ${run.bound.plan.components[because]?.name ?? ''} failed`);
  const failure = run.failures[index] ?? firstFault(run, index);
  if (failure !== null) return utf8Bytes(failureText(failure));
  if (run.outcomes.status(index) !== OutcomeStatus.skipped) return null;
  return run.states[index] === null ? noSlates : noRows;
}

function firstFault(run: RequestRun, index: number) {
  const faults = run.states[index]?.faults;
  return faults !== undefined && faults.count > 0 ? faults.failure(0) : null;
}

/** Cells of all blocks but the plan's constants, by status, in field order. The blocks have counted themselves. */
function countCells(run: RequestRun): Int32Array {
  counts.fill(0);
  addCounts(run.matrix, TargetBlock.constants);
  if (run.slate !== null) addCounts(run.slate.matrix, -1);
  // Nobody stores what has no source, but every row lacks it.
  counts[missingField] = (counts[missingField] as number) + run.bound.absent.count * run.matrix.rowCount;
  return counts;
}

function addCounts(matrix: Matrix, except: number): void {
  for (let index = 0; index < matrix.blocks.length; index++) {
    const block = matrix.blocks[index];
    if (block === null || block === undefined || index === except) continue;
    for (let field = 0; field < counts.length; field++) {
      counts[field] = (counts[field] as number) + (block.counts[countedStatuses[field] as number] as number);
    }
  }
}

const nothing = new Uint8Array(0);
const noSlates = utf8Bytes('no slates in this request');
const noRows = utf8Bytes('no rows to work on');
