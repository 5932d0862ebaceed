import { DataType, dataTypes } from '@inferflow/matrix';
import { FeatureScan, type PositionList, type PredictRequestScan, readUtf8 } from '@inferflow/proto/hot';
import type { EngineMethod } from '../engine.js';
import {
  headerEntities,
  RESERVED_SLATE_COLUMN,
  type RequestColumn,
  type RequestSchema,
  textColumn,
  typedColumn,
  type ValueCheck,
  valueCheckOf,
} from './request-schema.js';
import type { SchemaKey } from './schema-key.js';
import type { Violations } from './violations.js';

/** What the configuration says about Predict requests. */
export interface PredictSettings {
  readonly idColumn: string;
  readonly requestValues: 'text' | 'typed';
  /** Columns that keys are made of. */
  readonly keyColumns: ReadonlySet<string>;
}

/** Which entities come from headers. */
export interface HeaderFlags {
  readonly hasUserId: boolean;
  readonly hasAppVersion: boolean;
}

const feature = new FeatureScan();

/** Adds names and types of a scanned request to the key. False if a part is malformed. */
export function addPredictKey(key: SchemaKey, message: Uint8Array, scan: PredictRequestScan): boolean {
  const contexts = scan.contextFeatures;
  key.addNumber(contexts.count);
  for (let index = 0; index < contexts.count; index++) {
    if (!feature.readContext(message, contexts.start(index), contexts.end(index))) return false;
    key.addBytes(message, feature.nameStart, feature.nameEnd);
    key.addNumber(feature.dataType);
    key.addNumber(feature.vectorDim);
  }
  addEntries(key, message, scan.targetSchema);
  addEntries(key, message, scan.slateSchema);
  return true;
}

/** Schema entries as they are: equal bytes mean equal entries, and unequal ones only cost a cache entry. */
function addEntries(key: SchemaKey, message: Uint8Array, entries: PositionList): void {
  key.addNumber(entries.count);
  for (let index = 0; index < entries.count; index++) key.addBytes(message, entries.start(index), entries.end(index));
}

interface Entry {
  readonly name: string;
  readonly dataType: number;
  readonly vectorDim: number;
}

/**
 * Reads what a scanned request declares. Broken rules go to `violations`; the result is then not to be used. null = malformed.
 */
export function parsePredictSchema(
  method: EngineMethod,
  settings: PredictSettings,
  message: Uint8Array,
  scan: PredictRequestScan,
  headers: HeaderFlags,
  violations: Violations,
): RequestSchema | null {
  const contexts = readContexts(message, scan.contextFeatures);
  const targets = readEntries(message, scan.targetSchema);
  const slates = readEntries(message, scan.slateSchema);
  if (contexts === null || targets === null || slates === null) return null;
  const isTyped = settings.requestValues === 'typed';
  const slateField = method === 'InferPairWise' ? 'pair_input_schema' : 'slate_input_schema';
  checkNames('context_features', contexts, violations, settings.idColumn, null);
  checkNames('target_input_schema', targets, violations, settings.idColumn, null);
  checkNames(slateField, slates, violations, null, RESERVED_SLATE_COLUMN);
  if (isTyped) {
    checkTypes('context_features', contexts, violations);
    checkTypes('target_input_schema', targets, violations);
    checkTypes(slateField, slates, violations);
  }

  const broadcast: RequestColumn[] = [];
  const contextSlots = Int32Array.from(contexts, (entry) => broadcast.push(columnOf(entry, isTyped)) - 1);
  const rows: RequestColumn[] = [textColumn(settings.idColumn)];
  const contextNames = new Set(contexts.map(({ name }) => name));
  const valueWords = place(targets, rows, contextNames, (entry) => columnOf(entry, isTyped));
  const isPointWise = method === 'InferPointWise';
  const slateColumns: RequestColumn[] = [];
  // Pair and slate values are the bytes of their declared type in either mode: that is how they have always been stored.
  const slateWords = place(slates, slateColumns, contextNames, (entry) => columnOf(entry, true));
  const used = new Set([...rows, ...broadcast].map(({ name }) => name));
  const header = (has: boolean, name: string): number => (has && !used.has(name) ? broadcast.push(textColumn(name)) - 1 : -1);
  return {
    method,
    rows,
    userIdSlot: header(headers.hasUserId, headerEntities.userId),
    appVersionSlot: header(headers.hasAppVersion, headerEntities.appVersion),
    broadcast,
    slates: isPointWise ? null : slateColumns,
    predict: {
      valueWords,
      contextSlots,
      slateWords,
      targetChecks: isTyped ? checksOf(targets, settings.keyColumns) : null,
      contextChecks: isTyped ? checksOf(contexts, settings.keyColumns) : null,
      slateChecks: isTyped ? checksOf(slates, noKeys) : null,
    },
    inferflow: null,
  };
}

function readEntries(message: Uint8Array, list: PositionList): Entry[] | null {
  const entries: Entry[] = [];
  for (let index = 0; index < list.count; index++) {
    if (!feature.readSchema(message, list.start(index), list.end(index))) return null;
    entries.push(entryOf(message));
  }
  return entries;
}

function readContexts(message: Uint8Array, list: PositionList): Entry[] | null {
  const entries: Entry[] = [];
  for (let index = 0; index < list.count; index++) {
    if (!feature.readContext(message, list.start(index), list.end(index))) return null;
    entries.push(entryOf(message));
  }
  return entries;
}

function entryOf(message: Uint8Array): Entry {
  return { name: readUtf8(message, feature.nameStart, feature.nameEnd), dataType: feature.dataType, vectorDim: feature.vectorDim };
}

function checkNames(
  field: string,
  entries: readonly Entry[],
  violations: Violations,
  idColumn: string | null,
  reserved: string | null,
): void {
  const first = new Map<string, number>();
  entries.forEach(({ name }, index) => {
    const earlier = first.get(name);
    if (earlier === undefined) first.set(name, index);
    else violations.add(`${field}[${index}].name`, `feature name "${name}" is given twice, at ${field}[${earlier}] and ${field}[${index}]`);
    if (name === idColumn) {
      violations.add(
        `${field}[${index}].name`,
        `feature name "${name}" at ${field}[${index}] is the name of this model's id column, which the target ids fill`,
      );
    }
    if (name === reserved)
      violations.add(`${field}[${index}].name`, `feature name "${name}" at ${field}[${index}] is reserved for the target indices`);
  });
}

function checkTypes(field: string, entries: readonly Entry[], violations: Violations): void {
  entries.forEach(({ dataType, vectorDim }, index) => {
    if (dataType <= 0 || dataType >= dataTypes.length) {
      violations.add(
        `${field}[${index}].data_type`,
        `data_type ${dataType} at ${field}[${index}] is no known type; this model reads values by their declared type`,
      );
    }
    if (vectorDim < 0) violations.add(`${field}[${index}].vector_dim`, `vector_dim ${vectorDim} at ${field}[${index}] is negative`);
  });
}

function place(
  entries: readonly Entry[],
  columns: RequestColumn[],
  taken: ReadonlySet<string>,
  toColumn: (entry: Entry) => RequestColumn,
): Int32Array {
  return Int32Array.from(entries, (entry) => (taken.has(entry.name) ? -1 : (columns.push(toColumn(entry)) - 1) * 2));
}

function columnOf({ name, dataType }: Entry, isTyped: boolean): RequestColumn {
  return isTyped && dataType > 0 && dataType < dataTypes.length ? typedColumn(name, dataType as DataType) : textColumn(name);
}

function checksOf(entries: readonly Entry[], keyColumns: ReadonlySet<string>): readonly ValueCheck[] {
  return entries.map(({ name, dataType, vectorDim }) =>
    valueCheckOf(
      (dataTypes[dataType] === undefined ? DataType.Unknown : dataType) as DataType,
      Math.max(vectorDim, 0),
      keyColumns.has(name) ? name : null,
    ),
  );
}

// Keys are read from targets alone.
const noKeys: ReadonlySet<string> = new Set();
