/** Why a row's model input holds defaults; the worst of its cells counts. */
export const DefaultedRow = {
  /** Every input is real. */
  none: 0,
  /** The sources have no value: nothing stored, not in the request. */
  absent: 1,
  /** A value could not be had or used: a call failed, a component did not run, a text or width did not fit. */
  lost: 2,
} as const;
export type DefaultedRow = (typeof DefaultedRow)[keyof typeof DefaultedRow];
