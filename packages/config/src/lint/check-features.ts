import { closestName } from '@inferflow/dag';
import { DataType, dataTypeInfo } from '@inferflow/matrix';
import { componentPlace, fetchedPath, groupPath, placePath, settingPath } from '../component-paths.js';
import { joinPath } from '../json-path.js';
import type { FeatureComponentConfig, ModelConfig } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';
import { type FeatureRegistry, type RegisteredEntity, registeredFeature } from '../registry/feature-registry.js';
import { fieldName } from '../schema/fields.js';

/** Holds what a model fetches against a feature registry. For widths of vectors in tensors, see `LintOptions.widths`. */
export function checkFeatures(config: ModelConfig, registry: FeatureRegistry): readonly Problem[] {
  return config.components.flatMap((component) =>
    component.kind === 'feature' && component.columns.length > 0 ? checkComponent(config, component, registry) : [],
  );
}

function checkComponent(config: ModelConfig, component: FeatureComponentConfig, registry: FeatureRegistry): readonly Problem[] {
  const { entityLabel } = component;
  const entity = registry.entities.get(entityLabel);
  if (entity === undefined) {
    const path = joinPath(settingPath(config, component, 'query'), fieldName('query', 'label', config.dialect) ?? 'label');
    return [unknown(path, `entity ${JSON.stringify(entityLabel)}`, 'the feature registry', entityLabel, registry.entities.keys())];
  }
  const problems: Problem[] = [...checkKeys(config, component, entity)];
  const wrongTypes = new Set<number>();
  for (const [index, { label }] of component.groups.entries()) {
    if (entity.groups.has(label)) continue;
    const where = `entity ${JSON.stringify(entityLabel)} of the feature registry`;
    problems.push(
      unknown(
        joinPath(groupPath(config, component, index), 'label'),
        `feature group ${JSON.stringify(label)}`,
        where,
        label,
        entity.groups.keys(),
      ),
    );
  }
  for (const [index, { requestLabel, group, groupDataType }] of component.columns.entries()) {
    const label = component.groups[group]?.label ?? '';
    const registered = entity.groups.get(label);
    if (registered === undefined) continue;
    const feature = registeredFeature(registry, entityLabel, label, requestLabel);
    if (feature === undefined) {
      const where = `feature group ${JSON.stringify(label)} of the feature registry`;
      problems.push(
        unknown(
          fetchedPath(config, component, index),
          `feature ${JSON.stringify(requestLabel)}`,
          where,
          requestLabel,
          registered.features.keys(),
        ),
      );
      continue;
    }
    // One group has one type, so one problem says it all.
    if (feature.dataType === DataType.Unknown || feature.dataType === groupDataType || wrongTypes.has(group)) continue;
    wrongTypes.add(group);
    const [found, expected] = [dataTypeInfo(groupDataType).name, dataTypeInfo(feature.dataType).name];
    const message = `feature group ${JSON.stringify(label)} is read as ${found}, but the feature registry has ${JSON.stringify(requestLabel)} as ${expected}: its values would be misread`;
    const path = joinPath(groupPath(config, component, group), fieldName('group', 'dataType', config.dialect) ?? 'data_type');
    problems.push(createProblem('INFERFLOW_CONFIG_FEATURE_TYPE', path, message, { found, expected }));
  }
  return problems;
}

function checkKeys(config: ModelConfig, component: FeatureComponentConfig, { keys }: RegisteredEntity): readonly Problem[] {
  if (keys === undefined) return [];
  const schemas = component.keys.map(({ schema }) => schema);
  const surplus = schemas.findIndex((schema) => !keys.includes(schema));
  const missing = keys.filter((key) => !schemas.includes(key));
  if (surplus < 0 && missing.length === 0) return [];
  const path = placePath(config, `${componentPlace(component.componentName)}/keys/${Math.max(surplus, 0)}`);
  const [found, expected] = [schemas.join(', '), keys.join(', ')];
  const message = `component ${JSON.stringify(component.componentName)} asks by ${found}, but the keys of entity ${JSON.stringify(component.entityLabel)} are ${expected}`;
  return [createProblem('INFERFLOW_CONFIG_KEY_SCHEMA', path ?? settingPath(config, component, 'keys'), message, { found, expected })];
}

function unknown(path: string, what: string, where: string, name: string, known: Iterable<string>): Problem {
  const names = [...known];
  const details = { found: name, expected: names.slice(0, 10).join(', '), suggestion: closestName(name, names) };
  return createProblem('INFERFLOW_CONFIG_UNKNOWN_FEATURE', path, `${what} is not in ${where}`, details);
}
