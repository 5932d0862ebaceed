/** Where a cell's value came from, or why it has none. Below 8 = has a value. */
export const CellStatus = {
  /** Given in the request. */
  provided: 1,
  /** Fetched or computed in this request. */
  fresh: 2,
  /** From the cache. */
  cached: 3,
  /** Past its time to live, served on purpose. */
  stale: 4,
  /** A default stands in for a value that could not be had. */
  defaulted: 5,
  /** The source has nothing. */
  missing: 8,
  /** A computing component wrote "no value" on purpose. */
  null: 9,
  /** Call, chunk, width or conversion failed. */
  failed: 10,
  /** Not asked: empty key, or the component did not run. */
  skipped: 11,
  /** Not written yet; no reader of an ended component sees it. */
  unwritten: 15,
} as const;

/** A status code of {@link CellStatus}. */
export type CellStatus = (typeof CellStatus)[keyof typeof CellStatus];

/** Codes fit in four bits; arrays of counts per status have this length. */
export const cellStatusCount = 16;

/** Whether a cell with this status holds a value. A cell without one is filled with zeros. */
export function hasValue(status: number): boolean {
  return status < 8;
}

/** Names of the codes, for answers and metrics. */
export function cellStatusName(status: number): string {
  for (const [name, code] of Object.entries(CellStatus)) if (code === status) return name;
  return 'unknown';
}
