import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ModelConfig } from '@inferflow/config';
import { DataType, dataTypeInfo } from '@inferflow/matrix';
import { RetrieveQuerySchema, RetrieveResultSchema } from '@inferflow/proto';
import { createLocalUpstream, GrpcCode, GrpcError, type Upstream } from '@inferflow/transport';
import { toTypedBytes } from '../feature-bytes.js';
import type { FeatureValue } from '../rank-request.js';

/** A feature that a query asks for. */
export interface QueriedFeature {
  readonly group: string;
  /** Without an `@` suffix. */
  readonly name: string;
  /** The type its value is stored as. */
  readonly dataType: DataType;
}

/** What an embedder's feature store is asked: one entity, some keys, some features. */
export interface FeatureFunctionQuery {
  /** Entity label, such as `product`. */
  readonly entity: string;
  /** Names of the key parts. */
  readonly keySchema: readonly string[];
  /** One list of key parts per row to answer. */
  readonly keys: readonly (readonly string[])[];
  readonly features: readonly QueriedFeature[];
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** One row's values by `group:feature`, or by feature name alone; null or undefined = nothing known of this key or feature. */
export type FeatureRow = Readonly<Record<string, FeatureValue | null | undefined>> | null | undefined;

/** A feature store as a function: one row per key, in the order of the keys. */
export type FeatureFunction = (query: FeatureFunctionQuery) => readonly FeatureRow[] | Promise<readonly FeatureRow[]>;

const noBytes = new Uint8Array(0);

/** The function as a feature store for one model, whose configuration says of which type each feature is. */
export function createFeatureUpstream(lookUp: FeatureFunction, config: ModelConfig): Upstream {
  const types = featureTypes(config);
  return createLocalUpstream('the feature store function', async (_path, message, _headers, signal) => {
    const query = fromBinary(RetrieveQuerySchema, message);
    const features = query.featureGroups.flatMap(({ label, featureLabels }) =>
      featureLabels.map((featureLabel): QueriedFeature => {
        const dataType = types.get(typeKey(query.entityLabel, label, featureLabel)) ?? DataType.Unknown;
        return { group: label, name: withoutSuffix(featureLabel), dataType };
      }),
    );
    const keys = query.keys.map(({ cols }) => cols);
    const rows = await lookUp({ entity: query.entityLabel, keySchema: query.keysSchema, keys, features, signal: signal() });
    if (!Array.isArray(rows)) {
      throw new GrpcError(GrpcCode.INTERNAL, `it answered no list; expected one record per key of entity "${query.entityLabel}"`);
    }
    if (rows.length !== keys.length) {
      throw new GrpcError(GrpcCode.INTERNAL, `it answered ${rows.length} rows for ${keys.length} keys of entity "${query.entityLabel}"`);
    }
    let column = 0;
    return toBinary(
      RetrieveResultSchema,
      create(RetrieveResultSchema, {
        entityLabel: query.entityLabel,
        keysSchema: query.keysSchema,
        featureSchemas: query.featureGroups.map(({ label, featureLabels }) => ({
          featureGroupLabel: label,
          features: featureLabels.map((featureLabel) => ({ label: withoutSuffix(featureLabel), columnIdx: column++ })),
        })),
        rows: rows.map((row, index) => ({ keys: keys[index] ?? [], columns: features.map((feature) => encodeFeature(row, feature)) })),
      }),
    );
  });
}

function encodeFeature(row: FeatureRow, { group, name, dataType }: QueriedFeature): Uint8Array {
  const value = row?.[`${group}:${name}`] ?? row?.[name];
  if (value === null || value === undefined) return noBytes;
  try {
    return toTypedBytes(value, dataType);
  } catch {
    throw new GrpcError(GrpcCode.INTERNAL, `its value of feature "${group}:${name}" is no ${dataTypeInfo(dataType).name}`);
  }
}

function featureTypes(config: ModelConfig): ReadonlyMap<string, DataType> {
  const types = new Map<string, DataType>();
  for (const component of config.components) {
    if (component.kind !== 'feature') continue;
    for (const { requestLabel, group, dataType } of component.columns) {
      types.set(typeKey(component.entityLabel, component.groups[group]?.label ?? '', requestLabel), dataType);
    }
  }
  return types;
}

function typeKey(entity: string, group: string, feature: string): string {
  return JSON.stringify([entity, group, feature]);
}

function withoutSuffix(featureLabel: string): string {
  const at = featureLabel.lastIndexOf('@');
  return at < 0 ? featureLabel : featureLabel.slice(0, at);
}
