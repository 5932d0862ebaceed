import { type DataType, dataTypeInfo, dataTypes } from '@inferflow/matrix';
import { lengthFieldSize, putLength, putUtf8, putVarint, utf8Size, varintSize } from '@inferflow/proto/hot';
import { GrpcError } from '@inferflow/transport';
import type { EntityTable } from './entity-table.js';
import type { FeatureColumn } from './feature-column.js';
import type { FeatureStore } from './memory-feature-store.js';
import { canQuantise, quantiseColumn } from './quantise.js';
import type { QueryGroup, QueryHead } from './query.js';
import type { GroupDefinition } from './store-schema.js';

const UNKNOWN = 2;
const INVALID_ARGUMENT = 3;

/** A query, checked and resolved: what every query with the same head shares. */
export interface RetrievalPlan {
  readonly table: EntityTable;
  /** Wanted columns in the order of the query. */
  readonly columns: readonly FeatureColumn[];
  /** Type of each column as it is answered. */
  readonly types: readonly DataType[];
  /** Registered key part j is part `keyOrder[j]` of a request's key. */
  readonly keyOrder: readonly number[];
  /** The constant start of a Result: entity label, keys schema, feature schemas. */
  readonly resultHead: Uint8Array;
  /** The same of a DecodedResult. */
  readonly decodedHead: Uint8Array;
}

/**
 * Checks a query against the schema.
 *
 * @throws GrpcError with the status and text of the first thing wrong
 */
export function planRetrieval(store: FeatureStore, head: QueryHead): RetrievalPlan {
  const entity = head.entityLabel;
  const table = store.tables.get(entity);
  if (table === undefined) throw new GrpcError(UNKNOWN, `invalid entity ${entity}: entity ${entity} not found`);
  const columns: FeatureColumn[] = [];
  const types: DataType[] = [];
  const labels = head.groups.map((group) => {
    const definition = table.definition.groups.get(group.label);
    if (definition === undefined) {
      throw new GrpcError(
        UNKNOWN,
        `failed to get active schema for feature group ${group.label}, in entity ${entity}: feature group ${group.label} not found`,
      );
    }
    return group.featureLabels.map((label) => {
      const wanted = wantedFeature(label, definition, entity);
      const column = table.column(group.label, wanted.name)!;
      columns.push(wanted.type === definition.dataType ? column : quantised(column, definition.dataType, wanted.type));
      types.push(wanted.type);
      return wanted.name;
    });
  });
  return Object.freeze({
    table,
    columns: Object.freeze(columns),
    types: Object.freeze(types),
    keyOrder: keyOrderOf(head, table),
    resultHead: encodeHead(head, labels, true),
    decodedHead: encodeHead(head, labels, false),
  });
}

function wantedFeature(label: string, group: GroupDefinition, entity: string): { name: string; type: DataType } {
  const parts = label.split('@');
  const [name = '', suffix = ''] = parts;
  const isSuffixed = parts.length === 2 && suffix !== '';
  const feature = isSuffixed ? name : label;
  if (!group.features.has(feature))
    throw new GrpcError(UNKNOWN, `feature ${feature} not found in active schema of feature group ${group.label}, in entity ${entity}`);
  if (!isSuffixed) return { name: feature, type: group.dataType };
  const where = `failed to parse feature label ${label}, in feature group ${group.label}, in entity ${entity}`;
  // Only the canonical spelling counts here.
  const target = dataTypes.find((info) => info.name === suffix);
  if (target === undefined)
    throw new GrpcError(UNKNOWN, `${where}: invalid quantization type ${suffix} for feature ${label}: invalid data type string`);
  if (!canQuantise(group.dataType, target.dataType)) {
    const from = dataTypeInfo(group.dataType).name;
    throw new GrpcError(UNKNOWN, `${where}: incompatible quantization request from ${from} to ${target.name} for feature ${label}`);
  }
  return { name: feature, type: target.dataType };
}

// Columns never change, so each is narrowed once per type and kept as long as it lives.
const quantisedColumns = new WeakMap<FeatureColumn, Map<DataType, FeatureColumn>>();

function quantised(column: FeatureColumn, from: DataType, to: DataType): FeatureColumn {
  let byType = quantisedColumns.get(column);
  if (byType === undefined) {
    byType = new Map();
    quantisedColumns.set(column, byType);
  }
  let narrow = byType.get(to);
  if (narrow === undefined) {
    narrow = quantiseColumn(column, from, to);
    byType.set(to, narrow);
  }
  return narrow;
}

function keyOrderOf(head: QueryHead, table: EntityTable): number[] {
  const { keys, label } = table.definition;
  const order = keys.map((key) => head.keysSchema.indexOf(key));
  if (order.includes(-1) || head.keysSchema.length !== keys.length) {
    // Looking anything up by other keys could only find defaults, which nobody would notice.
    throw new GrpcError(
      INVALID_ARGUMENT,
      `keys_schema [${head.keysSchema.join(', ')}] does not name the keys of entity ${label}: expected ${keys.join(', ')}`,
    );
  }
  return order;
}

/** Fields 1 to 3 of Result; DecodedResult has no entity label and the others one number lower. */
function encodeHead(head: QueryHead, labels: readonly (readonly string[])[], isResult: boolean): Uint8Array {
  const first = isResult ? 2 : 1;
  const schemas = head.groups.map((group, index) => encodeFeatureSchema(group, labels[index]!, columnsBefore(labels, index)));
  let size = 0;
  if (isResult && head.entityLabel !== '') size += lengthFieldSize(1, utf8Size(head.entityLabel));
  for (const key of head.keysSchema) size += lengthFieldSize(first, utf8Size(key));
  for (const schema of schemas) size += lengthFieldSize(first + 1, schema.length);
  const bytes = new Uint8Array(size);
  let at = 0;
  if (isResult && head.entityLabel !== '') at = putText(bytes, at, 1, head.entityLabel);
  for (const key of head.keysSchema) at = putText(bytes, at, first, key);
  for (const schema of schemas) {
    at = putLength(bytes, at, first + 1, schema.length);
    bytes.set(schema, at);
    at += schema.length;
  }
  return bytes;
}

function columnsBefore(labels: readonly (readonly string[])[], index: number): number {
  return labels.slice(0, index).reduce((sum, group) => sum + group.length, 0);
}

function encodeFeatureSchema(group: QueryGroup, labels: readonly string[], firstColumn: number): Uint8Array {
  // Labels and column numbers that are '' or 0 are not written, as the protocol's own encoders have it.
  const featureSize = (label: string, column: number): number => textSize(1, label) + (column === 0 ? 0 : 1 + varintSize(column));
  let size = textSize(1, group.label);
  for (const [index, label] of labels.entries()) size += lengthFieldSize(2, featureSize(label, firstColumn + index));
  const bytes = new Uint8Array(size);
  let at = group.label === '' ? 0 : putText(bytes, 0, 1, group.label);
  for (const [index, label] of labels.entries()) {
    const column = firstColumn + index;
    at = putLength(bytes, at, 2, featureSize(label, column));
    if (label !== '') at = putText(bytes, at, 1, label);
    if (column !== 0) at = putVarint(bytes, putVarint(bytes, at, 2 * 8), column);
  }
  return bytes;
}

function textSize(field: number, text: string): number {
  return text === '' ? 0 : lengthFieldSize(field, utf8Size(text));
}

function putText(target: Uint8Array, at: number, field: number, text: string): number {
  return putUtf8(target, putLength(target, at, field, utf8Size(text)), text);
}
