import { edgePlace, mentionPlace } from '../component-paths.js';
import { emptyRecord, type JsonValue } from '../json.js';
import { joinPath } from '../json-path.js';
import { FEATURE_INITIALIZER } from '../model-config.js';
import { type ObjectReader, readTexts, reportType } from './object-reader.js';

/**
 * Reads `component_dependency` into "component → what it waits for", whichever way the dialect writes it. Lists are sorted and
 * without repeats, so that both spellings of a graph give the same value.
 */
export function parseGraph(reader: ObjectReader): Readonly<Record<string, readonly string[]>> {
  const waitsFor = new Map<string, Set<string>>();
  const dependenciesOf = (component: string): Set<string> => {
    const found = waitsFor.get(component) ?? new Set<string>();
    waitsFor.set(component, found);
    return found;
  };
  const entries = reader.map('dependency');
  for (const [key, value] of entries) {
    const path = joinPath(reader.pathOf('dependency'), key);
    noteMention(reader, key, path);
    if (key === '') reportNameless(reader, path);
    if (key !== FEATURE_INITIALIZER) dependenciesOf(key);
    const seen = new Set<string>();
    for (const [index, listed] of readList(reader, value, path).entries()) {
      const at = joinPath(path, index);
      if (seen.has(listed)) {
        reader.context.report('INFERFLOW_CONFIG_REPEATED', at, `${JSON.stringify(listed)} is listed twice; it counts once`, {
          found: listed,
        });
        continue;
      }
      seen.add(listed);
      noteMention(reader, listed, at);
      const [component, dependency] = reader.context.dialect === 'documented' ? [listed, key] : [key, listed];
      if (component === FEATURE_INITIALIZER) reportInverted(reader, key, listed, at);
      else {
        dependenciesOf(component).add(dependency);
        reader.context.note(edgePlace(component, dependency), at);
      }
      if (dependency !== FEATURE_INITIALIZER) dependenciesOf(dependency);
    }
  }
  if (reader.has('dependency') && entries.length === 0) {
    reader.context.report('INFERFLOW_CONFIG_NO_COMPONENTS', reader.pathOf('dependency'), 'component_dependency is empty');
  } else if (!reader.has('dependency')) reader.missing('dependency', 'a model');
  const dependencies = emptyRecord<readonly string[]>();
  for (const name of [...waitsFor.keys()].sort()) dependencies[name] = [...(waitsFor.get(name) ?? [])].sort();
  return dependencies;
}

function noteMention(reader: ObjectReader, name: string, path: string): void {
  const place = mentionPlace(name);
  if (!reader.context.places.has(place)) reader.context.note(place, path);
}

function readList(reader: ObjectReader, value: JsonValue, path: string): readonly string[] {
  if (value === null) return [];
  if (Array.isArray(value)) {
    for (const [index, name] of value.entries()) if (name === '' || name === null) reportNameless(reader, joinPath(path, index));
    return readTexts(reader.context, value, path);
  }
  reportType(reader.context, path, value, 'a list of component names');
  return [];
}

function reportNameless(reader: ObjectReader, path: string): void {
  reader.context.report('INFERFLOW_CONFIG_MISSING', path, 'a component of the graph has no name', { found: '""' });
}

function reportInverted(reader: ObjectReader, key: string, listed: string, path: string): void {
  const { dialect } = reader.context;
  const meaning = dialect === 'documented' ? 'component → what runs after it' : 'component → what it waits for';
  const message = `${JSON.stringify(key)}: [${JSON.stringify(listed)}] would make ${FEATURE_INITIALIZER} wait; the ${dialect} dialect writes ${meaning}, so this edge looks inverted and is ignored`;
  const expected = `${JSON.stringify(listed)}: [${JSON.stringify(key)}]`;
  reader.context.report('INFERFLOW_CONFIG_INVERTED_EDGE', path, message, {
    found: `${JSON.stringify(key)}: [${JSON.stringify(listed)}]`,
    expected,
  });
}
