import { type LogType, parseLogType } from './log-type.js';
import type { LoggedComponent, LoggedModel } from './logged-model.js';

/** One logged column; its position in the schema is its index in every format. */
export interface LogFeature {
  readonly name: string;
  /** Type name as readers get it from the schema endpoint. */
  readonly typeText: string;
  /** Elements of a value: 1 for a scalar, the vector's length otherwise. */
  readonly size: number;
  readonly type: LogType;
}

/** The columns of a model's log in index order. Immutable. */
export interface LogSchema {
  readonly modelConfigId: string;
  readonly configHash: string;
  /** `cache_version` as configured. */
  readonly version: number;
  readonly features: readonly LogFeature[];
}

/**
 * The schema of a model: fetched features, expression scores, model scores, expression inputs, model inputs; the first of a name
 * counts. `log_features` true or a list selects the response's columns or the named ones, in that order. Every process builds the
 * same list from the same configuration.
 */
export function buildLogSchema(model: LoggedModel): LogSchema {
  const all = new Map<string, LogFeature>();
  const add = (name: string, typeText: string, size: number): void => {
    if (name !== '' && !all.has(name)) all.set(name, logFeature(name, typeText, size));
  };
  for (const component of model.components) addFetched(component, add);
  for (const component of model.components) if (component.kind === 'numerix') add(component.scoreColumn, component.dataTypeText, 1);
  for (const component of model.components) addScores(component, add);
  for (const component of model.components) {
    if (component.kind === 'numerix') for (const { column } of component.variables) add(column, 'String', 1);
  }
  for (const component of model.components) addInputs(component, add);
  const { logFeatures, features } = model.response;
  const selected = logFeatures === false ? null : logFeatures === true ? features : logFeatures;
  return Object.freeze({
    modelConfigId: model.modelConfigId,
    configHash: model.hash,
    version: model.cache.version,
    features: Object.freeze(selected === null ? [...all.values()] : selected.map((name) => all.get(name) ?? logFeature(name, 'String', 1))),
  });
}

/** The version as a record's metadata holds it, four bits: 0 counts as 1 as everywhere else, larger ones are cut. */
export function recordVersion(cacheVersion: number): number {
  return cacheVersion === 0 ? 1 : cacheVersion & 15;
}

/** A feature of a schema that came from outside, e.g. from the schema endpoint. */
export function logFeature(name: string, typeText: string, size = 1): LogFeature {
  return Object.freeze({ name, typeText, size, type: parseLogType(typeText) });
}

type Add = (name: string, typeText: string, size: number) => void;

function addFetched(component: LoggedComponent, add: Add): void {
  if (component.kind !== 'feature') return;
  // A quantised feature is logged in its group's type, as every reader's schema says.
  for (const column of component.columns) add(column.name, component.groups[column.group]?.dataTypeText ?? 'String', 1);
}

function addScores(component: LoggedComponent, add: Add): void {
  if (component.kind !== 'predator') return;
  for (const output of component.outputs) {
    for (const { name, dims } of output.scores) {
      if (dims.length === 0 || (dims.length === 1 && dims[0] === 1)) add(name, output.dataTypeText, 1);
      else add(name, `${output.dataTypeText}Vector`, dims.length === 2 && dims[0] === -1 ? (dims[1] ?? 1) : (dims[0] ?? 1));
    }
  }
}

function addInputs(component: LoggedComponent, add: Add): void {
  if (component.kind !== 'predator') return;
  for (const { features, shape } of component.inputs) {
    for (const name of features) add(name, 'String', shape.length > 0 && (shape[0] ?? 1) > 0 ? (shape[0] as number) : 1);
  }
}
