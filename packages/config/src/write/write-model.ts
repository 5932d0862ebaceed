import { componentPlace } from '../component-paths.js';
import { emptyRecord, type JsonObject, type JsonValue } from '../json.js';
import {
  type ComponentConfig,
  FEATURE_INITIALIZER,
  type ModelConfig,
  type PluginComponentConfig,
  type ResponseConfig,
} from '../model-config.js';
import { forEachReference, qualifiedScore, scoreNames } from '../score-names.js';
import { defaultIdColumn } from '../written-columns.js';
import type { DocumentWriter } from './document-writer.js';
import { writeFeature } from './write-feature.js';
import { writeNumerix } from './write-numerix.js';
import { writePredator } from './write-predator.js';

const kinds = ['feature', 'predator', 'numerix', 'plugin'] as const;

/** Writes a whole config in the writer's dialect. */
export function writeModel(writer: DocumentWriter, config: ModelConfig): JsonObject {
  const ownTypes = writer.dialect === 'documented' ? 'typed' : 'text';
  return writer.object('model', '$', {
    requestValues: config.requestValues === ownTypes ? undefined : config.requestValues,
    compat: config.compat ? 'go-1.0' : undefined,
    deadline: config.deadlineMs,
    graph: writer.object('graph', 'graph', { dependency: writer.dialect === 'documented' ? childrenOf(config) : config.dependencies }),
    components: writeComponents(writer, config),
    response: writeResponse(writer, config),
  });
}

function childrenOf(config: ModelConfig): JsonObject {
  const children = emptyRecord<string[]>();
  const inGraph = config.order.filter((name) => Object.hasOwn(config.dependencies, name));
  for (const name of [FEATURE_INITIALIZER, ...inGraph, ...Object.keys(config.dependencies)]) children[name] = [];
  for (const [name, dependencies] of Object.entries(config.dependencies)) {
    for (const dependency of dependencies) {
      children[dependency] ??= [];
      children[dependency].push(name);
    }
  }
  return children;
}

function writeComponents(writer: DocumentWriter, config: ModelConfig): JsonObject {
  const { cache, components } = config;
  const isDocumented = writer.dialect === 'documented';
  const style = isDocumented ? scoreStyle(config) : undefined;
  const asWritten = new Map(components.map((component) => [component, writeComponent(writer, component, style)]));
  const collections: Record<string, JsonValue | undefined> = {};
  for (const kind of kinds) {
    const sameKind = components.filter((component) => component.kind === kind);
    if (kind === 'plugin' && sameKind.length === 0) continue;
    collections[kind] = isDocumented ? toMap(sameKind, asWritten) : sameKind.map((component) => asWritten.get(component) ?? {});
  }
  const natural = kinds.flatMap((kind) => components.filter((component) => component.kind === kind));
  const isNatural = natural.every((component, index) => component === components[index]);
  return writer.object('components', 'components', {
    order: isDocumented || !isNatural ? config.order : undefined,
    scoreNames: style,
    cacheEnabled: cache.enabled,
    cacheVersion: isDocumented && cache.version >= 0 ? `v${cache.version}` : cache.version,
    cacheTtl: cache.ttlSeconds,
    errorLoggingPercent: config.errorLoggingPercent,
    ...collections,
  });
}

function toMap(components: readonly ComponentConfig[], asWritten: ReadonlyMap<ComponentConfig, JsonObject>): JsonObject {
  const map = emptyRecord<JsonValue>();
  for (const component of components) map[component.componentName] = asWritten.get(component) ?? {};
  return map;
}

/** How scores are named: after their component if every one is and no reference could be mistaken for a bare score name. */
function scoreStyle({ components, response }: ModelConfig): 'component' | 'plain' | undefined {
  const bare = new Set<string>();
  for (const component of components) {
    const prefix = qualifiedScore(component.componentName, '');
    for (const score of scoreNames(component)) {
      if (!score.startsWith(prefix) || score === prefix) return 'plain';
      bare.add(score.slice(prefix.length));
    }
  }
  if (bare.size === 0) return undefined;
  let isSafe = true;
  forEachReference(components, response, (name) => {
    if (bare.has(name)) isSafe = false;
  });
  return isSafe ? 'component' : 'plain';
}

function writeComponent(writer: DocumentWriter, component: ComponentConfig, style: 'component' | 'plain' | undefined): JsonObject {
  const place = componentPlace(component.componentName);
  const prefix = qualifiedScore(component.componentName, '');
  const nameScore = (score: string) => (style === 'component' ? score.slice(prefix.length) : score);
  switch (component.kind) {
    case 'feature':
      return writeFeature(writer, component, place);
    case 'predator':
      return writePredator(writer, component, place, nameScore);
    case 'numerix':
      return writeNumerix(writer, component, place, nameScore);
    case 'plugin':
      return writePlugin(writer, component, place);
  }
}

function writePlugin(writer: DocumentWriter, component: PluginComponentConfig, place: string): JsonObject {
  return writer.object('plugin', place, {
    name: component.componentName,
    type: component.type,
    // `config` was copied from JSON when it was parsed.
    config: component.config as JsonValue,
    slate: component.scope === 'slate' ? true : undefined,
    onFailure: component.onFailure === 'default' ? undefined : component.onFailure,
  });
}

function writeResponse(writer: DocumentWriter, config: ModelConfig): JsonObject {
  const { response } = config;
  return writer.object('response', 'response', {
    features: response.features,
    idColumn: response.idColumn === defaultIdColumn(config.components, response.features) ? undefined : response.idColumn,
    modelSchemaPercent: response.modelSchemaPercent,
    loggingPercent: response.loggingPercent,
    scoringLogPercent: response.scoringLogPercent,
    ...writeLogFeatures(writer, response),
    logBatchSize: response.logBatchSize,
  });
}

function writeLogFeatures(writer: DocumentWriter, { logFeatures }: ResponseConfig): Record<string, JsonValue | undefined> {
  if (typeof logFeatures === 'boolean') return { logFeatures: logFeatures || writer.dialect === 'deployed' ? logFeatures : undefined };
  // The original reads a boolean here; true comes nearest to a list.
  return writer.dialect === 'deployed' ? { logFeatures: true, logFeatureNames: logFeatures } : { logFeatures };
}
