import type { DataType } from '@inferflow/matrix';
import type { FeatureValue } from '../rank.js';

/** What an embedder's feature store is asked: one entity, some keys, some features. */
export interface FeatureFunctionQuery {
  /** Entity label, such as `product`. */
  readonly entity: string;
  /** Names of the key parts. */
  readonly keySchema: readonly string[];
  /** One list of key parts per row to answer. */
  readonly keys: readonly (readonly string[])[];
  readonly features: readonly { readonly group: string; readonly name: string; readonly dataType: DataType }[];
  readonly signal: AbortSignal;
}

/** One row's values by `group:feature`, or by feature name alone; null or undefined = nothing known of this key. */
export type FeatureRow = Readonly<Record<string, FeatureValue | null | undefined>> | null | undefined;

/** A feature store as a function: one row per key, in the order of the keys. */
export type FeatureFunction = (query: FeatureFunctionQuery) => readonly FeatureRow[] | Promise<readonly FeatureRow[]>;
