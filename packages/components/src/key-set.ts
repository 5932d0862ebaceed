import type { IdentityTable, RowSet, TextColumn } from '@inferflow/matrix';

/** The keys of a run's rows. */
export interface KeySet {
  /** Builds the table on first call of a run: every row's key, each different one once. Rows with an empty part have none (−1). */
  identities(): IdentityTable;
  /** The text columns of the key parts, in declared order; their ranges are per matrix row. */
  readonly parts: readonly TextColumn[];
  readonly rows: RowSet;
}
