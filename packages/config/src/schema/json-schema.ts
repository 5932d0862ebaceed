import { DataType, dataTypes } from '@inferflow/matrix';
import type { JsonObject, JsonValue } from '../json.js';
import type { Dialect } from '../model-config.js';
import { type FieldDefinition, fieldTable } from './fields.js';
import { type ObjectKind, objectKinds } from './object-kinds.js';

/** Address that a schema of this package is known by; `name` is the file's. */
export function schemaId(name: 'model' | 'models'): string {
  return `https://inferflow.dev/schema/${name}.schema.json`;
}

const text: JsonObject = { type: 'string' };
const name: JsonObject = { type: 'string', minLength: 1 };
const texts: JsonObject = { type: 'array', items: { type: ['string', 'null'] } };
const boolean: JsonObject = { type: 'boolean' };
const integer: JsonObject = { type: 'integer' };
const count: JsonObject = { type: 'integer', minimum: 0 };
/** More than 100 is cut with a warning. */
const percentage: JsonObject = { type: 'integer', minimum: 0 };
const dimensions: JsonObject = { type: 'array', items: { type: 'integer', minimum: -1, not: { const: 0 } } };
const cellType: JsonObject = { type: 'string', pattern: typePattern([]) };
const tensorType: JsonObject = { type: 'string', pattern: typePattern(['BF16']) };

type Shape = JsonObject | ((dialect: Dialect) => JsonObject);

const byDialect =
  (documented: JsonObject, deployed: JsonObject): Shape =>
  (dialect) =>
    dialect === 'documented' ? documented : deployed;
const of =
  (kind: ObjectKind): Shape =>
  (dialect) =>
    reference(dialect, kind);
const listOf =
  (kind: ObjectKind): Shape =>
  (dialect) => ({ type: 'array', items: reference(dialect, kind) });
/** A map of name to object in the documented dialect, a list of objects in the deployed one. */
const collectionOf =
  (kind: ObjectKind): Shape =>
  (dialect) =>
    dialect === 'documented'
      ? { type: 'object', additionalProperties: reference(dialect, kind) }
      : { type: 'array', items: reference(dialect, kind) };

/** The shape of every field in the field table. */
const shapes: Readonly<Record<string, Shape>> = {
  'model.graph': of('graph'),
  'model.components': of('components'),
  'model.response': of('response'),
  'model.requestValues': { enum: ['text', 'typed'] },
  'model.compat': { enum: ['go-1.0', ''] },
  'model.deadline': count,
  'graph.dependency': {
    type: 'object',
    minProperties: 1,
    propertyNames: { minLength: 1 },
    additionalProperties: { type: ['array', 'null'], items: { type: 'string', minLength: 1 } },
  },
  'components.feature': collectionOf('feature'),
  'components.predator': collectionOf('predator'),
  'components.numerix': collectionOf('numerix'),
  'components.plugin': collectionOf('plugin'),
  'components.order': texts,
  'components.scoreNames': { enum: ['component', 'plain'] },
  'components.cacheEnabled': boolean,
  'components.cacheVersion': byDialect({ anyOf: [integer, { type: 'string', pattern: '^[vV]?-?\\d{1,9}$' }] }, integer),
  'components.cacheTtl': count,
  'components.errorLoggingPercent': percentage,
  'feature.name': name,
  'feature.componentId': text,
  'feature.compositeId': boolean,
  'feature.keys': (dialect) => {
    const list: JsonObject = { type: 'array', minItems: 1, items: reference(dialect, 'key') };
    return dialect === 'documented' ? { anyOf: [reference(dialect, 'key'), list] } : list;
  },
  'feature.query': of('query'),
  'feature.flattenKeys': texts,
  'feature.prefix': text,
  'feature.prefixMode': { enum: ['replace', 'prepend'] },
  'feature.cacheEnabled': boolean,
  'feature.cacheTtl': count,
  'feature.staleIfError': count,
  'feature.deadline': count,
  'feature.batchSize': count,
  'key.schema': byDialect({ anyOf: [name, { type: 'array', minItems: 1, items: name }] }, name),
  'key.column': byDialect({ anyOf: [name, { type: 'array', minItems: 1, items: name }] }, name),
  'query.label': text,
  'query.groups': listOf('group'),
  'group.label': text,
  'group.dataType': { anyOf: [{ const: '' }, cellType] },
  'group.features': (dialect) =>
    dialect === 'documented' ? { type: 'array', items: { anyOf: [name, reference(dialect, 'label')] } } : { type: 'array', items: name },
  'label.label': name,
  'label.dataType': cellType,
  'predator.name': name,
  'predator.componentId': text,
  'predator.modelName': name,
  'predator.modelVersion': text,
  'predator.endpoint': text,
  'predator.endpoints': (dialect) => {
    const list: JsonObject = { type: 'array', items: reference(dialect, 'endpoint') };
    const map: JsonObject = { type: 'object', propertyNames: { minLength: 1 }, additionalProperties: { type: 'number', minimum: 0 } };
    return dialect === 'documented' ? { anyOf: [map, list] } : list;
  },
  'predator.routes': listOf('route'),
  'predator.deadline': count,
  'predator.batchSize': count,
  'predator.calibration': (dialect) => (dialect === 'documented' ? reference(dialect, 'calibration') : text),
  'predator.inputs': (dialect) => (dialect === 'documented' ? reference(dialect, 'inputs') : tensors(dialect, 'input')),
  'predator.outputs': (dialect) => (dialect === 'documented' ? reference(dialect, 'outputs') : tensors(dialect, 'output')),
  'predator.slateCalls': { enum: ['per_slate', 'rows', 'dimension'] },
  'predator.coalesce': boolean,
  'predator.coalesceWait': { type: 'integer', minimum: 0, maximum: 50 },
  'predator.broadcast': boolean,
  'endpoint.endpoint': name,
  'endpoint.percentage': byDialect({ type: 'number', minimum: 0 }, { type: 'integer', minimum: 0 }),
  'route.modelName': text,
  'route.endpoint': name,
  'route.percentage': { type: 'number', minimum: 0 },
  'calibration.enabled': boolean,
  'calibration.name': text,
  'inputs.featureMap': { type: 'object', propertyNames: { minLength: 1 }, additionalProperties: tensorType },
  'inputs.tensors': listOf('input'),
  'input.name': name,
  'input.features': { type: 'array', minItems: 1, items: name },
  'input.shape': { ...dimensions, minItems: 1 },
  'input.dataType': tensorType,
  'outputs.scoreColumns': { type: 'array', items: name },
  'outputs.tensors': listOf('output'),
  'output.name': name,
  'output.dataType': tensorType,
  'output.scores': listOf('score'),
  'output.modelScores': { type: 'array', items: name },
  'output.dims': { type: 'array', items: { ...dimensions, type: ['array', 'null'] } },
  'score.name': name,
  'score.dims': dimensions,
  'numerix.name': name,
  'numerix.componentId': text,
  'numerix.scoreColumn': name,
  'numerix.dataType': cellType,
  'numerix.mapping': (dialect) => {
    if (dialect === 'deployed') return { type: 'object', propertyNames: { pattern: '.@.' }, additionalProperties: name };
    const map: JsonObject = {
      type: 'object',
      propertyNames: { minLength: 1 },
      // As an object the variable is keyed by its column.
      additionalProperties: { anyOf: [cellType, { type: 'object', properties: { variable: text, data_type: cellType } }] },
    };
    return { anyOf: [map, { type: 'array', items: reference(dialect, 'variable') }] };
  },
  'numerix.computeId': text,
  'numerix.expression': text,
  'numerix.deadline': count,
  'numerix.batchSize': count,
  'variable.variable': text,
  'variable.column': name,
  'variable.dataType': cellType,
  'plugin.name': name,
  'plugin.type': name,
  'plugin.config': {},
  'response.features': texts,
  'response.idColumn': text,
  'response.modelSchemaPercent': percentage,
  'response.loggingPercent': percentage,
  'response.logFeatures': { anyOf: [boolean, texts] },
  'response.logFeatureNames': texts,
  'response.scoringLogPercent': percentage,
  'response.logBatchSize': integer,
};

/** Fields that several kinds of components share. */
const sharedShapes: Readonly<Record<string, Shape>> = {
  onFailure: { enum: ['default', 'fail', 'skip_dependents'] },
  slate: boolean,
};

/**
 * The JSON Schema (draft 7, which editors read) of a model config in either dialect, made from the field table. It knows shapes only: the
 * graph, names and everything else that takes the whole config is for `inferflow lint`. Field names in another case are not checked.
 */
export function modelSchema(): JsonObject {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: schemaId('model'),
    title: 'Inferflow model configuration',
    ...dialectChoice(),
    definitions: definitions(),
  };
}

/** The JSON Schema of an object of models keyed by id. */
export function modelsSchema(): JsonObject {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: schemaId('models'),
    title: 'Inferflow model configurations, by id',
    type: 'object',
    properties: { $schema: text },
    additionalProperties: { $ref: '#/definitions/model' },
    definitions: { model: dialectChoice(), ...definitions() },
  };
}

/** Which dialect a config is in is told by its component collections; without any, by its start. */
function dialectChoice(): JsonObject {
  const has = (dialect: Dialect): JsonObject => ({
    required: ['component_config'],
    properties: {
      component_config: {
        type: 'object',
        anyOf: fieldTable
          .filter(({ object, key }) => object === 'components' && ['feature', 'predator', 'numerix', 'plugin'].includes(key))
          .map((field) => ({ required: [field[dialect] ?? ''] })),
      },
    },
  });
  return {
    type: 'object',
    if: has('deployed'),
    // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
    then: { allOf: [reference('deployed', 'model'), { not: has('documented') }] },
    else: reference('documented', 'model'),
  };
}

function definitions(): JsonObject {
  const kinds = Object.keys(objectKinds) as ObjectKind[];
  const entries = (['documented', 'deployed'] as const).flatMap((dialect) =>
    kinds.filter((kind) => objectKinds[kind][dialect] !== null).map((kind) => [`${dialect}_${kind}`, definition(kind, dialect)] as const),
  );
  return Object.fromEntries(entries);
}

function definition(kind: ObjectKind, dialect: Dialect): JsonObject {
  const fields = fieldTable.filter((field) => field.object === kind && field[dialect] !== null);
  const required = fields.filter((field) => isRequired(field, dialect)).map((field) => field[dialect] as string);
  const properties = Object.fromEntries(fields.map((field) => [field[dialect] as string, property(field, dialect, required)]));
  return {
    title: objectKinds[kind].title,
    type: 'object',
    properties: kind === 'model' ? { $schema: text, ...properties } : properties,
    ...(required.length > 0 && { required }),
  };
}

function isRequired({ object, key, default: fallback }: FieldDefinition, dialect: Dialect): boolean {
  if (fallback === 'required') return true;
  // A group without features needs no type.
  return dialect === 'deployed' && fallback.endsWith('deployed: required') && !(object === 'group' && key === 'dataType');
}

/** `null` counts as absent. */
function property(field: FieldDefinition, dialect: Dialect, required: readonly string[]): JsonObject {
  const shape = shapes[`${field.object}.${field.key}`] ?? sharedShapes[field.key];
  if (shape === undefined) throw new RangeError(`field "${field.object}.${field.key}" has no shape`);
  const found = typeof shape === 'function' ? shape(dialect) : shape;
  const description = `${field.meaning.replaceAll('`', '')} Default: ${field.default.replaceAll('`', '')}.`;
  if (required.includes(field[dialect] as string)) return { description, allOf: [found] };
  return { description, anyOf: [found, { type: 'null' }] };
}

function tensors(dialect: Dialect, kind: ObjectKind): JsonObject {
  return { type: 'array', minItems: 1, items: reference(dialect, kind) };
}

function reference(dialect: Dialect, kind: ObjectKind): JsonObject {
  return { $ref: `#/definitions/${dialect}_${kind}` };
}

/** Every spelling of a data type, in any case: JSON Schema has no flag for that. */
function typePattern(others: readonly string[]): string {
  const names = dataTypes.filter(({ dataType }) => dataType !== DataType.Unknown).map(({ name: full }) => full.replace(/^DataType/, ''));
  const anyCase = (word: string): string => word.replace(/[a-z]/gi, (letter) => `[${letter.toUpperCase()}${letter.toLowerCase()}]`);
  const all = [...names, 'BYTES', ...others].map(anyCase).join('|');
  return `^\\s*(${anyCase('datatype')})?(${all})\\s*$`;
}

/** Files of the package, by name, as they are written. */
export function schemaFiles(): Readonly<Record<string, string>> {
  const written = (schema: JsonValue): string => `${JSON.stringify(schema, null, 2)}\n`;
  return { 'model.schema.json': written(modelSchema()), 'models.schema.json': written(modelsSchema()) };
}
