import { type CellCounts, ComponentOutcome_Status as Status } from './gen/inferflow/v1/quality_pb.js';

/** How a component ended, in words. */
export type OutcomeName = 'ok' | 'failed' | 'skipped' | 'abandoned' | 'defaulted';

const names: Readonly<Partial<Record<Status, OutcomeName>>> = {
  [Status.OK]: 'ok',
  [Status.FAILED]: 'failed',
  [Status.SKIPPED]: 'skipped',
  [Status.ABANDONED]: 'abandoned',
  [Status.DEFAULTED]: 'defaulted',
};

/** The word for a status of a `ComponentOutcome`; undefined for one that this version does not know. */
export function outcomeName(status: Status): OutcomeName | undefined {
  return names[status];
}

/** Stored cells by where their value came from; the last four have no value. */
export interface PlainCellCounts {
  readonly provided: number;
  readonly fresh: number;
  readonly cached: number;
  readonly stale: number;
  readonly defaulted: number;
  readonly missing: number;
  readonly null: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The plain form of `CellCounts`; all 0 for a message without them. */
export function plainCellCounts(cells: CellCounts | undefined): PlainCellCounts {
  return {
    provided: cells?.provided ?? 0,
    fresh: cells?.fresh ?? 0,
    cached: cells?.cached ?? 0,
    stale: cells?.stale ?? 0,
    defaulted: cells?.defaulted ?? 0,
    missing: cells?.missing ?? 0,
    null: cells?.null ?? 0,
    failed: cells?.failed ?? 0,
    skipped: cells?.skipped ?? 0,
  };
}
