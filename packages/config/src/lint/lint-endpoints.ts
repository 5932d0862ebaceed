import { componentPlace, placePath, settingPath } from '../component-paths.js';
import { describeValue, joinPath } from '../json-path.js';
import type { PredatorComponentConfig } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';
import { fieldName } from '../schema/fields.js';
import type { LintContext } from './lint-context.js';

/** `@PORT@`, `${HOST}`, `{{ host }}`: filled in before a server sees it. */
const placeholder = /[@{}]/;
const address = /^(?:https?:\/\/)?(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+)(?::(\d{1,5}))?\/?$/;

/** Endpoints that are no `host`, `host:port` or `local`, with or without `http://`: no call could be made. */
export function lintEndpoints({ config, running, isStrict }: LintContext): readonly Problem[] {
  return running.flatMap((component): readonly Problem[] => {
    if (component.kind !== 'predator') return [];
    const texts: (readonly [string, () => string])[] = [[component.endpoint, () => settingPath(config, component, 'endpoint')]];
    for (const [index, { endpoint }] of component.endpoints.entries()) texts.push([endpoint, () => sharePath(component, index)]);
    return texts.flatMap(([text, pathOf]) => (text === '' || placeholder.test(text) || isAddress(text) ? [] : [problem(text, pathOf())]));
  });

  function sharePath(component: PredatorComponentConfig, index: number): string {
    const table = placePath(config, `${componentPlace(component.componentName)}/endpoints`) ?? settingPath(config, component, 'endpoints');
    if (table.toLowerCase().endsWith('.route_config'))
      return joinPath(joinPath(table, index), fieldName('route', 'endpoint', config.dialect) ?? '');
    if (placePath(config, `${componentPlace(component.componentName)}/endpoints/map`) !== undefined)
      return joinPath(table, component.endpoints[index]?.endpoint ?? index);
    return joinPath(joinPath(table, index), 'endpoint');
  }

  function problem(text: string, path: string): Problem {
    const found = describeValue(text);
    // A service that runs such a model goes on: other endpoints, or other components, may still do.
    const severity = isStrict ? 'error' : 'warning';
    const details = { found, expected: 'host, host:port or local', severity } as const;
    return createProblem('INFERFLOW_CONFIG_INVALID_VALUE', path, `${found} is no address of a service`, details);
  }
}

function isAddress(text: string): boolean {
  const match = address.exec(text.trim());
  if (match === null) return false;
  const port = match[1] === undefined ? 1 : Number(match[1]);
  return port >= 1 && port <= 65_535;
}
