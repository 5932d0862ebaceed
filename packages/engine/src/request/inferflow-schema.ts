import { type InferflowRequestScan, NamedTextsScan, PositionList, readUtf8 } from '@inferflow/proto/hot';
import type { HeaderFlags } from './predict-schema.js';
import { headerEntities, type InferflowTables, type RequestColumn, type RequestSchema, textColumn } from './request-schema.js';
import type { SchemaKey } from './schema-key.js';
import type { Violations } from './violations.js';

const named = new NamedTextsScan();
const value = new NamedTextsScan();
const features = new PositionList();

/** Number of rows: the ids of the first entity. −1 = malformed, 0 also without entities. */
export function countRows(message: Uint8Array, scan: InferflowRequestScan): number {
  if (scan.entities.count === 0) return 0;
  return named.read(message, scan.entities.start(0), scan.entities.end(0), null) ? named.textCount : -1;
}

/** One id is one value for all rows, except for the first entity, whose ids are the rows. */
function isBroadcastEntity(index: number, idCount: number): boolean {
  return index > 0 && idCount === 1;
}

/**
 * Adds the names of a scanned request to the key and counts its columns. Returns that count, −1 if a part is malformed.
 */
export function addInferflowKey(key: SchemaKey, message: Uint8Array, scan: InferflowRequestScan): number {
  const entities = scan.entities;
  let columns = 0;
  key.addNumber(entities.count);
  for (let index = 0; index < entities.count; index++) {
    features.clear();
    if (!named.read(message, entities.start(index), entities.end(index), features)) return -1;
    key.addBytes(message, named.nameStart, named.nameEnd);
    key.addNumber(features.count * 2 + (isBroadcastEntity(index, named.textCount) ? 1 : 0));
    columns += 1 + features.count;
    for (let at = 0; at < features.count; at++) {
      if (!value.read(message, features.start(at), features.end(at), null)) return -1;
      key.addBytes(message, value.nameStart, value.nameEnd);
    }
  }
  return columns;
}

/** Reads what a scanned request brings. Broken rules go to `violations`; the result is then not to be used. null = malformed. */
export function parseInferflowSchema(
  message: Uint8Array,
  scan: InferflowRequestScan,
  headers: HeaderFlags,
  violations: Violations,
): RequestSchema | null {
  const rows: RequestColumn[] = [];
  const broadcast: RequestColumn[] = [];
  const places = new Map<string, string>();
  const claim = (name: string, place: string): void => {
    const earlier = places.get(name);
    if (earlier === undefined) places.set(name, place);
    else
      violations.add(
        place,
        `name "${name}" at ${place} is given twice; it is also at ${earlier}, and all entities and features share one table`,
      );
  };
  const tables: InferflowTables['entities'][number][] = [];
  for (let index = 0; index < scan.entities.count; index++) {
    features.clear();
    if (!named.read(message, scan.entities.start(index), scan.entities.end(index), features)) return null;
    const name = readUtf8(message, named.nameStart, named.nameEnd);
    claim(name, `entities[${index}].entity`);
    const isBroadcast = isBroadcastEntity(index, named.textCount);
    const slot = (isBroadcast ? broadcast : rows).push(textColumn(name)) - 1;
    const featureSlots = new Int32Array(features.count);
    for (let at = 0; at < features.count; at++) {
      if (!value.read(message, features.start(at), features.end(at), null)) return null;
      const featureName = readUtf8(message, value.nameStart, value.nameEnd);
      claim(featureName, `entities[${index}].features[${at}].name`);
      featureSlots[at] = rows.push(textColumn(featureName)) - 1;
    }
    tables.push({ slot, isBroadcast, featureSlots });
  }
  const header = (has: boolean, name: string): number => (has && !places.has(name) ? broadcast.push(textColumn(name)) - 1 : -1);
  return {
    method: 'RetrieveModelScore',
    userIdSlot: header(headers.hasUserId, headerEntities.userId),
    appVersionSlot: header(headers.hasAppVersion, headerEntities.appVersion),
    rows,
    broadcast,
    slates: null,
    predict: null,
    inferflow: { entities: tables },
  };
}
