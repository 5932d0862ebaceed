import type { Block } from '@inferflow/matrix';
import {
  FeatureScan,
  IndexList,
  isValidUtf8,
  PredictKind,
  type PredictRequestScan,
  placedCells,
  placeSlate,
  placeTarget,
} from '@inferflow/proto/hot';
import { markProvided, putBroadcastBytes } from './request-blocks.js';
import type { PredictTables, RequestSchema, ValueCheck } from './request-schema.js';
import type { Violations } from './violations.js';

/*
 * A row of block 0, in words of 32 bits; the heap of the block is the message, so a value is where it starts in there, and its length.
 *
 *   0 start of the id | 1 its length | … | valueWords[k] start of value k | valueWords[k] + 1 its length | …
 */

const feature = new FeatureScan();
const ID_WORD = 0;
const noWords = new Int32Array(0);

/** Puts the targets of a request into block 0. False = malformed. Values that break a rule go to `violations`. */
export function adaptTargets(
  message: Uint8Array,
  scan: PredictRequestScan,
  tables: PredictTables,
  checksCounts: boolean,
  block: Block,
  violations: Violations,
): boolean {
  const { targets } = scan;
  const { valueWords, targetChecks } = tables;
  const stride = block.shape.stride >>> 2;
  const words = block.memory.words;
  let filled = 0;
  for (let row = 0, at = 0; row < targets.count; row++, at += stride) {
    const values = placeTarget(message, targets.start(row), targets.end(row), words, at, ID_WORD, valueWords);
    if (values < 0) return false;
    filled += placedCells;
    if (targetChecks !== null) checkRow(message, 'targets', row, values, words, at, valueWords, targetChecks, checksCounts, violations);
  }
  markProvided(block, filled);
  return true;
}

/**
 * Puts the values of pairs or slates into block 0 of the slate matrix (null = they bring none) and collects their target indices,
 * unchecked, with the start of each slate in `offsets`. False = malformed.
 */
export function adaptSlates(
  message: Uint8Array,
  scan: PredictRequestScan,
  kind: PredictKind,
  tables: PredictTables,
  checksCounts: boolean,
  block: Block | null,
  indices: IndexList,
  offsets: Int32Array,
  violations: Violations,
): boolean {
  const { slates } = scan;
  const { slateWords, slateChecks } = tables;
  const stride = block === null ? 0 : block.shape.stride >>> 2;
  const words = block === null ? noWords : block.memory.words;
  const field = kind === PredictKind.pairWise ? 'pairs' : 'slates';
  let filled = 0;
  indices.clear();
  for (let row = 0, at = 0; row < slates.count; row++, at += stride) {
    offsets[row] = indices.count;
    const values = placeSlate(message, slates.start(row), slates.end(row), kind, indices, words, at, slateWords);
    if (values < 0) return false;
    filled += placedCells;
    if (slateChecks !== null) checkRow(message, field, row, values, words, at, slateWords, slateChecks, checksCounts, violations);
  }
  offsets[slates.count] = indices.count;
  if (block !== null) markProvided(block, filled);
  return true;
}

/** Copies the context features into the broadcast block. False = malformed. */
export function adaptContext(
  message: Uint8Array,
  scan: PredictRequestScan,
  tables: PredictTables,
  block: Block,
  violations: Violations,
): boolean {
  const contexts = scan.contextFeatures;
  for (let index = 0; index < contexts.count; index++) {
    if (!feature.readContext(message, contexts.start(index), contexts.end(index))) return false;
    putBroadcastBytes(block, tables.contextSlots[index] as number, message, feature.valueStart, feature.valueEnd);
    checkContext(message, index, tables, violations);
  }
  return true;
}

/** The context feature that was just read. */
function checkContext(message: Uint8Array, index: number, tables: PredictTables, violations: Violations): void {
  const check = tables.contextChecks?.[index];
  if (check === undefined) return;
  const length = feature.valueEnd - feature.valueStart;
  const place = `context_features[${index}].value`;
  if (!fits(check, length)) violations.add(place, widthText(place, check, length));
  else if (!canBeKey(check, message, feature.valueStart, length)) violations.add(place, keyText(place, check));
}

/** The values of a request that is refused for its schema already: one refusal tells all. Not for the hot path; what is malformed ends it. */
export function checkValues(
  message: Uint8Array,
  scan: PredictRequestScan,
  kind: PredictKind,
  { rows, slates, predict }: RequestSchema,
  checksCounts: boolean,
  violations: Violations,
): void {
  if (predict === null) return;
  const { valueWords, targetChecks, slateWords, slateChecks } = predict;
  const words = new Int32Array(2 * Math.max(rows.length, slates?.length ?? 0));
  const indices = new IndexList();
  for (let row = 0; targetChecks !== null && row < scan.targets.count; row++) {
    const values = placeTarget(message, scan.targets.start(row), scan.targets.end(row), words.fill(0), 0, ID_WORD, valueWords);
    if (values < 0) return;
    checkRow(message, 'targets', row, values, words, 0, valueWords, targetChecks, checksCounts, violations);
  }
  const field = kind === PredictKind.pairWise ? 'pairs' : 'slates';
  for (let row = 0; slates !== null && slateChecks !== null && row < scan.slates.count; row++) {
    indices.clear();
    const values = placeSlate(message, scan.slates.start(row), scan.slates.end(row), kind, indices, words.fill(0), 0, slateWords);
    if (values < 0) return;
    checkRow(message, field, row, values, words, 0, slateWords, slateChecks, checksCounts, violations);
  }
  const contexts = scan.contextFeatures;
  for (let index = 0; index < contexts.count; index++) {
    if (!feature.readContext(message, contexts.start(index), contexts.end(index))) return;
    checkContext(message, index, predict, violations);
  }
}

/** Pairs and slates may name only targets that exist. */
export function checkIndices(
  kind: PredictKind,
  indices: IndexList,
  offsets: Int32Array,
  slateCount: number,
  targetCount: number,
  violations: Violations,
): void {
  const values = indices.values;
  // One unsigned compare finds negative and too large ones; texts are made only for what is wrong.
  let worst = 0;
  for (let at = 0; at < indices.count; at++) if ((values[at] as number) >>> 0 >= targetCount) worst++;
  if (worst === 0) return;
  for (let slate = 0; slate < slateCount; slate++) {
    const from = offsets[slate] as number;
    const to = offsets[slate + 1] as number;
    for (let at = from; at < to; at++) {
      const index = values[at] as number;
      if (index >>> 0 < targetCount) continue;
      if (!violations.hasRoom) violations.addUnlisted();
      else if (kind === PredictKind.pairWise) {
        const name = at === from ? 'first_target_index' : 'second_target_index';
        violations.add(
          `pairs[${slate}].${name}`,
          `pairwise request has out-of-range ${name}=${index} at pair index ${slate} (target count=${targetCount})`,
        );
      } else {
        const place = `slates[${slate}].target_indices[${at - from}]`;
        violations.add(place, `slatewise request has out-of-range target index=${index} at ${place} (target count=${targetCount})`);
      }
    }
  }
}

function checkRow(
  message: Uint8Array,
  field: string,
  row: number,
  valueCount: number,
  words: Int32Array,
  at: number,
  valueWords: Int32Array,
  checks: readonly ValueCheck[],
  checksCounts: boolean,
  violations: Violations,
): void {
  if (checksCounts && valueCount !== checks.length) {
    if (violations.hasRoom) {
      violations.add(
        `${field}[${row}].feature_values`,
        `${field}[${row}].feature_values has ${valueCount} values, its schema has ${checks.length} features`,
      );
    } else violations.addUnlisted();
  }
  const count = Math.min(valueCount, checks.length);
  for (let index = 0; index < count; index++) {
    const word = valueWords[index] as number;
    if (word < 0) continue;
    const length = words[at + word + 1] as number;
    const check = checks[index] as ValueCheck;
    const isFit = fits(check, length);
    if (isFit && canBeKey(check, message, words[at + word] as number, length)) continue;
    if (!violations.hasRoom) {
      violations.addUnlisted();
      continue;
    }
    const place = `${field}[${row}].feature_values[${index}]`;
    violations.add(place, isFit ? keyText(place, check) : widthText(place, check, length));
  }
}

/** An empty value is an absent one. */
function fits(check: ValueCheck, length: number): boolean {
  return length === 0 || (check.width > 0 ? length === check.width : length % check.elementBytes === 0);
}

function canBeKey(check: ValueCheck, message: Uint8Array, start: number, length: number): boolean {
  return check.keyName === null || isValidUtf8(message, start, start + length);
}

function keyText(place: string, check: ValueCheck): string {
  return `${place} is no valid UTF-8 text; feature "${check.keyName}" is a key`;
}

function widthText(place: string, check: ValueCheck, length: number): string {
  return `${place} has ${length} bytes; ${check.text}`;
}
