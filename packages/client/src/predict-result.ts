import type { PairWiseResponse, PointWiseResponse, SlateWiseResponse } from '@inferflow/proto';
import { ClientError, ClientErrorCode } from './errors.js';
import { type OutputColumn, OutputTable, type OutputTypes, type ScoreValue } from './output-columns.js';
import type { PairWiseRequest, PointWiseRequest, SlateWiseRequest } from './predict-request.js';
import { type Quality, toQuality } from './quality.js';

/** Scores of one row. */
interface ScoredRow {
  /** Position in the request. */
  readonly index: number;
  /** Values by output column; null where there is none. */
  readonly values: Readonly<Record<string, ScoreValue>>;
  /** Why the row's scores do not rest on real inputs alone; '' if they do, as far as the server tells. */
  readonly error: string;
}

/** Scores of one target. */
export interface ScoredTarget extends ScoredRow {
  readonly id: string;
}

/** Scores of one pair. */
export interface ScoredPair extends ScoredRow {
  readonly first: number;
  readonly second: number;
}

/** Scores of one slate. */
export interface ScoredSlate extends ScoredRow {
  readonly targetIndices: readonly number[];
}

/** A row of the answer that carries an error. */
export interface RowFault {
  readonly scope: 'target' | 'pair' | 'slate';
  readonly index: number;
  readonly error: string;
}

/** Answer to a point-wise request. */
export interface PointWiseResult {
  /** The id that the request carried, given or made. */
  readonly trackingId: string;
  /** In request order. */
  readonly targets: readonly ScoredTarget[];
  readonly targetColumns: readonly OutputColumn[];
  /** Every row with an error, of all tables. Empty: nothing to worry about, as far as the server tells. */
  readonly faults: readonly RowFault[];
  /** Where the values came from; null for servers that do not tell. */
  readonly quality: Quality | null;
}

/** Answer to a pair-wise request. */
export interface PairWiseResult extends PointWiseResult {
  /** In request order. */
  readonly pairs: readonly ScoredPair[];
  readonly pairColumns: readonly OutputColumn[];
}

/** Answer to a slate-wise request. */
export interface SlateWiseResult extends PointWiseResult {
  /** In request order. */
  readonly slates: readonly ScoredSlate[];
  readonly slateColumns: readonly OutputColumn[];
}

interface Score {
  readonly error: string;
  readonly outputValues: readonly Uint8Array[];
}

/** Reads an answer. @throws ClientError if it is an error or not an answer to the request */
export function toPointWiseResult(
  request: PointWiseRequest,
  trackingId: string,
  response: PointWiseResponse,
  types: OutputTypes,
): PointWiseResult {
  const faults: RowFault[] = [];
  return { ...sharedResult(request, trackingId, response, types, faults), faults };
}

/** Reads an answer. @throws ClientError if it is an error or not an answer to the request */
export function toPairWiseResult(
  request: PairWiseRequest,
  trackingId: string,
  response: PairWiseResponse,
  types: OutputTypes,
): PairWiseResult {
  const faults: RowFault[] = [];
  const shared = sharedResult(request, trackingId, response, types, faults);
  const table = new OutputTable(response.pairOutputSchema, types, 'pair');
  const rows = readRows(table, response.pairScores, request.pairs.length, 'pair', faults);
  const pairs = rows.map((row, index) => ({ ...row, first: request.pairs[index]!.first, second: request.pairs[index]!.second }));
  return { ...shared, pairs, pairColumns: table.columns, faults };
}

/** Reads an answer. @throws ClientError if it is an error or not an answer to the request */
export function toSlateWiseResult(
  request: SlateWiseRequest,
  trackingId: string,
  response: SlateWiseResponse,
  types: OutputTypes,
): SlateWiseResult {
  const faults: RowFault[] = [];
  const shared = sharedResult(request, trackingId, response, types, faults);
  const table = new OutputTable(response.slateOutputSchema, types, 'slate');
  const rows = readRows(table, response.slateScores, request.slates.length, 'slate', faults);
  const slates = rows.map((row, index) => ({ ...row, targetIndices: [...request.slates[index]!.targetIndices] }));
  return { ...shared, slates, slateColumns: table.columns, faults };
}

function sharedResult(
  request: PointWiseRequest,
  trackingId: string,
  response: PointWiseResponse | PairWiseResponse | SlateWiseResponse,
  types: OutputTypes,
  faults: RowFault[],
) {
  if (response.requestError !== '') {
    throw new ClientError(ClientErrorCode.callFailed, `the server answered with an error: ${response.requestError}`, { trackingId });
  }
  const table = new OutputTable(response.targetOutputSchema, types, 'target');
  const rows = readRows(table, response.targetScores, request.targets.length, 'target', faults);
  const targets = rows.map((row, index) => ({ ...row, id: request.targets[index]!.id }));
  return { trackingId, targets, targetColumns: table.columns, quality: toQuality(response.quality) };
}

function readRows(table: OutputTable, scores: readonly Score[], asked: number, scope: RowFault['scope'], faults: RowFault[]): ScoredRow[] {
  // A table without columns may come without rows; any other gap would shift rows.
  if (scores.length !== asked && !(scores.length === 0 && table.columns.length === 0)) {
    throw new ClientError(ClientErrorCode.answerInvalid, `the answer has ${scores.length} ${scope} rows, ${asked} were asked`);
  }
  return Array.from({ length: asked }, (_, index) => {
    const score = scores[index];
    const error = score?.error ?? '';
    if (error !== '') {
      faults.push({ scope, index, error });
    }
    return { index, values: table.values(score?.outputValues ?? [], index), error };
  });
}
