import { KnownNames } from '@inferflow/dag';
import { componentPlace } from '../component-paths.js';
import { isJsonObject, type JsonValue } from '../json.js';
import { joinPath } from '../json-path.js';
import { type ComponentConfig, FEATURE_INITIALIZER, type ModelCacheConfig } from '../model-config.js';
import type { Steps } from '../steps.js';
import { ObjectReader, reportType } from './object-reader.js';
import { parseFeature } from './parse-feature.js';
import { parseNumerix } from './parse-numerix.js';
import { parsePlugin } from './parse-plugin.js';
import { parsePredator } from './parse-predator.js';

/** Kinds in the order in which the original registers them. */
const kinds = ['feature', 'predator', 'numerix', 'plugin'] as const;

/** A component and where it is written. */
export interface PlacedComponent {
  readonly component: ComponentConfig;
  readonly path: string;
}

/** Reads all components, in config order. */
export function* parseComponents(reader: ObjectReader, cache: ModelCacheConfig, compat: boolean): Steps<readonly PlacedComponent[]> {
  const placed = new Map<string, PlacedComponent>();
  for (const kind of kinds) {
    for (const { name, item, path } of readCollection(reader, kind)) {
      const earlier = placed.get(name);
      if (name === FEATURE_INITIALIZER || earlier !== undefined) reportClash(reader, name, path, earlier);
      if (earlier === undefined) reader.context.note(componentPlace(name), path);
      const component = parseComponent(new ObjectReader(reader.context, kind, item, path, componentPlace(name)), kind, name, cache, compat);
      if (earlier === undefined) placed.set(name, { component, path });
      yield;
    }
  }
  return inOrder(reader, placed);
}

interface Item {
  readonly name: string;
  readonly item: { readonly [key: string]: JsonValue };
  readonly path: string;
}

function parseComponent(
  reader: ObjectReader,
  kind: (typeof kinds)[number],
  name: string,
  cache: ModelCacheConfig,
  compat: boolean,
): ComponentConfig {
  switch (kind) {
    case 'feature':
      return parseFeature(reader, name, cache);
    case 'predator':
      return parsePredator(reader, name, compat);
    case 'numerix':
      return parseNumerix(reader, name);
    case 'plugin':
      return parsePlugin(reader, name);
  }
}

function readCollection(reader: ObjectReader, kind: (typeof kinds)[number]): readonly Item[] {
  const path = reader.pathOf(kind);
  if (reader.context.dialect === 'documented') {
    return reader.map(kind).flatMap(([name, item]) => {
      const at = joinPath(path, name);
      if (name === '') reader.context.report('INFERFLOW_CONFIG_MISSING', at, 'a component has no name');
      if (isJsonObject(item)) return [{ name, item, path: at }];
      reportType(reader.context, at, item, 'an object');
      return [];
    });
  }
  const items = new Map<string, Item>();
  for (const [index, item] of reader.list(kind).entries()) {
    const at = joinPath(path, index);
    if (!isJsonObject(item)) {
      reportType(reader.context, at, item, 'an object');
      continue;
    }
    const name = readName(reader, kind, item, at);
    if (items.has(name) && name !== '') {
      const message = `component ${JSON.stringify(name)} is in the list twice; the last one is used`;
      reader.context.report('INFERFLOW_CONFIG_DUPLICATE_COMPONENT', at, message, { found: name });
    }
    items.set(name, { name, item, path: at });
  }
  return [...items.values()];
}

/** The name alone: the other fields are read once it is known which of equal names counts. */
function readName(reader: ObjectReader, kind: (typeof kinds)[number], item: { readonly [key: string]: JsonValue }, path: string): string {
  const written = Object.entries(item).findLast(([key, value]) => key.toLowerCase() === 'component' && value !== null);
  const name = written?.[1];
  const at = joinPath(path, written?.[0] ?? 'component');
  if (name !== undefined && typeof name !== 'string') {
    reportType(reader.context, at, name, 'text');
    return '';
  }
  if (name === undefined || name === '') reader.context.report('INFERFLOW_CONFIG_MISSING', at, `a ${kind} component has no name`);
  return name ?? '';
}

function reportClash(reader: ObjectReader, name: string, path: string, earlier: PlacedComponent | undefined): void {
  const message =
    earlier === undefined
      ? `${FEATURE_INITIALIZER} is the built-in start of every graph; no component may have its name`
      : `component ${JSON.stringify(name)} is also defined at ${earlier.path}; names belong to one component of a model`;
  reader.context.report('INFERFLOW_CONFIG_NAME_CLASH', path, message, { found: name });
}

function inOrder(reader: ObjectReader, placed: ReadonlyMap<string, PlacedComponent>): readonly PlacedComponent[] {
  const order = reader.texts('order');
  const known = new KnownNames(placed.keys());
  const rest = new Map(placed);
  const sorted: PlacedComponent[] = [];
  for (const [index, name] of order.entries()) {
    const found = rest.get(name);
    if (found !== undefined) {
      sorted.push(found);
      rest.delete(name);
      continue;
    }
    const isRepeated = placed.has(name);
    const message = isRepeated
      ? `order lists ${JSON.stringify(name)} twice`
      : `order lists ${JSON.stringify(name)}, which is not configured`;
    const suggestion = isRepeated ? undefined : known.closest(name);
    reader.context.report('INFERFLOW_CONFIG_ORDER', joinPath(reader.pathOf('order'), index), message, { found: name, suggestion });
  }
  return [...sorted, ...rest.values()];
}
