/** A change that the importer makes so that a model does what the Go service did with it. */
export interface Adaptation {
  /** The number of the defect in the migration guide. */
  readonly id: string;
  /** Which component. */
  readonly component: string;
  readonly message: string;
}

/** A model's value with everything left out that the Go service never used, and `compat` set. */
export interface AdaptedModel {
  readonly value: unknown;
  readonly adaptations: readonly Adaptation[];
}

type Fields = Record<string, unknown>;

/**
 * Prepares a model of the Go service: what it ignored is taken out where it would move scores here. Models that are no objects, and those
 * in the documented dialect, which the Go service could not read, only get their `compat`.
 */
export function adaptModel(raw: unknown, isDeployed: boolean): AdaptedModel {
  const model = fieldsOf(structuredClone(raw));
  if (model === undefined) return { value: raw, adaptations: [] };
  const adaptations: Adaptation[] = [];
  if (isDeployed) {
    const components = fieldsOf(member(model, 'component_config'));
    if (components !== undefined) {
      for (const each of listOf(member(components, 'predator_components'))) dropUnusedRoutes(each, adaptations);
      for (const each of listOf(member(components, 'feature_components'))) dropUnfetchedGroups(each, adaptations);
    }
    const graph = fieldsOf(member(fieldsOf(member(model, 'dag_execution_config')) ?? {}, 'component_dependency'));
    if (graph !== undefined) dropIsolated(graph, adaptations);
  }
  for (const name of Object.keys(model)) if (name.toLowerCase() === 'compat') delete model[name];
  return { value: { compat: 'go-1.0', ...model }, adaptations };
}

/** The Go service reads `model_end_points` and `model_end_point`; the control plane's table never routed anything. */
function dropUnusedRoutes(component: Fields, adaptations: Adaptation[]): void {
  const name = nameOf(component, 'route_config');
  const hasEndpoint = textOf(member(component, 'model_end_point')) !== '' || listOf(member(component, 'model_end_points')).length > 0;
  if (name === undefined || !hasEndpoint || listOf(component[name]).length === 0) return;
  delete component[name];
  const message = 'route_config was never used by the Go service and is left out; write it as model_end_points to split the traffic';
  adaptations.push({ id: 'A22', component: textOf(member(component, 'component')), message });
}

/** A first group without features stops the fetch in the Go service, whatever the others hold. */
function dropUnfetchedGroups(component: Fields, adaptations: Adaptation[]): void {
  const request = fieldsOf(member(component, 'fs_request'));
  const name = request === undefined ? undefined : nameOf(request, 'featureGroups');
  if (request === undefined || name === undefined) return;
  const [first, ...others] = listOf(request[name]);
  const isEmpty = (group: Fields): boolean => listOf(member(group, 'features'), true).length === 0;
  if (first === undefined || !isEmpty(first) || others.every(isEmpty)) return;
  request[name] = [];
  const message =
    'its first feature group is empty, so the Go service fetched nothing; the other groups are left out (answers announce their empty columns as text now)';
  adaptations.push({ id: 'E10', component: textOf(member(component, 'component')), message });
}

/** A component that waits for nothing and that nobody waits for is never run by the Go service. */
function dropIsolated(graph: Fields, adaptations: Adaptation[]): void {
  const listed = new Set(Object.values(graph).flatMap((list) => (Array.isArray(list) ? list : [])));
  if (listed.size === 0) return;
  for (const [component, list] of Object.entries(graph)) {
    if (listed.has(component) || (Array.isArray(list) && list.length > 0)) continue;
    if (list !== null && !Array.isArray(list)) continue;
    delete graph[component];
    adaptations.push({ id: 'B4', component, message: 'it has no edge, so the Go service never ran it; it is left out of the graph' });
  }
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function listOf(value: unknown, isAny = false): readonly Fields[] {
  return Array.isArray(value) ? value.filter((item): item is Fields => isAny || fieldsOf(item) !== undefined) : [];
}

/** Field names are read in any case; of several the last counts. */
function nameOf(object: Fields, name: string): string | undefined {
  return Object.keys(object).findLast((key) => key.toLowerCase() === name.toLowerCase());
}

function member(object: Fields, name: string): unknown {
  const key = nameOf(object, name);
  return key === undefined ? undefined : object[key];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
