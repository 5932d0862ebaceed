import { findCycles } from './cycles.js';
import { DagErrorCode } from './errors.js';
import { KnownNames } from './known-names.js';
import type { ComponentDeclaration, OnFailure, TopologyInput } from './topology.js';

/** Topologies index components with 16 bits. */
const MAX_COMPONENTS = 65_535;

const policies: ReadonlySet<string> = new Set<OnFailure>(['default', 'fail', 'skip_dependents']);

/** One thing that is wrong with a graph. */
export interface TopologyProblem {
  readonly code: DagErrorCode;
  /** Where in the input, e.g. `dependencies.ranker[0]` or `components[2].reads`. */
  readonly path: string;
  readonly message: string;
  /** The component the problem is about. */
  readonly componentId?: string;
  /** The component that asked for `componentId`. */
  readonly requiredBy?: string;
  /** The name that is read or written wrongly. */
  readonly columnName?: string;
  /** Who waits for whom, first and last alike. */
  readonly cyclePath?: readonly string[];
  /** What was probably meant. */
  readonly suggestion?: string;
}

/**
 * Everything that is wrong with a graph, at once: cycles, unknown and repeated components, names that are read before
 * their writer has run, names with two writers. Ordered by kind and name, so equal graphs give equal text however they are written.
 */
export function findTopologyProblems(input: TopologyInput): readonly TopologyProblem[] {
  if (input.components.length > MAX_COMPONENTS) {
    const message = `${input.components.length} components are declared; at most ${MAX_COMPONENTS} fit`;
    return [{ code: DagErrorCode.tooManyComponents, path: 'components', message }];
  }
  const known = new Map<string, ComponentDeclaration>();
  for (const component of input.components) if (!known.has(component.componentId)) known.set(component.componentId, component);
  const edges = knownEdges(input, known);
  return [
    ...unknownPolicies(input.components),
    ...duplicates(input.components),
    ...unknownComponents(input, known),
    ...cycles(edges),
    ...twoWriters(input.components),
    ...readsBeforeWrites(input, edges),
  ];
}

/** The dependencies between components that exist, each once. */
function knownEdges(input: TopologyInput, known: ReadonlyMap<string, ComponentDeclaration>): Map<string, readonly string[]> {
  const edges = new Map<string, readonly string[]>();
  for (const componentId of known.keys()) edges.set(componentId, []);
  for (const [componentId, dependencies] of Object.entries(input.dependencies)) {
    if (known.has(componentId))
      edges.set(
        componentId,
        [...new Set(dependencies)].filter((dependency) => known.has(dependency)),
      );
  }
  return edges;
}

/** The policies are typed, but programs without types write them, too, and a slip would count as `default`. */
function unknownPolicies(components: readonly ComponentDeclaration[]): TopologyProblem[] {
  const problems: TopologyProblem[] = [];
  for (const [index, { componentId, onFailure = 'default' }] of components.entries()) {
    if (policies.has(onFailure)) continue;
    problems.push({
      code: DagErrorCode.optionInvalid,
      path: `components[${index}].onFailure`,
      message: `the failure policy of component "${componentId}" is ${JSON.stringify(onFailure)}; expected one of ${[...policies].join(', ')}`,
      componentId,
    });
  }
  return problems.sort(byComponent);
}

function duplicates(components: readonly ComponentDeclaration[]): TopologyProblem[] {
  const first = new Map<string, number>();
  const problems: TopologyProblem[] = [];
  for (const [index, { componentId }] of components.entries()) {
    const earlier = first.get(componentId);
    if (earlier === undefined) {
      first.set(componentId, index);
      continue;
    }
    problems.push({
      code: DagErrorCode.duplicateComponent,
      path: `components[${index}]`,
      message: `component "${componentId}" is declared twice, at components[${earlier}] and components[${index}]; ids must be unique`,
      componentId,
    });
  }
  return problems.sort(byComponent);
}

function unknownComponents(input: TopologyInput, known: ReadonlyMap<string, ComponentDeclaration>): TopologyProblem[] {
  const problems: TopologyProblem[] = [];
  const names = new KnownNames(known.keys());
  for (const [requiredBy, dependencies] of Object.entries(input.dependencies)) {
    if (!known.has(requiredBy))
      problems.push(unknown(requiredBy, undefined, `dependencies.${requiredBy}`, `"${requiredBy}" has dependencies`, names));
    const reported = new Set<string>();
    for (const [index, componentId] of dependencies.entries()) {
      if (known.has(componentId) || reported.has(componentId)) continue;
      reported.add(componentId);
      const what = `component "${requiredBy}" depends on "${componentId}"`;
      problems.push(unknown(componentId, requiredBy, `dependencies.${requiredBy}[${index}]`, what, names));
    }
  }
  return problems.sort(byComponent);
}

function unknown(componentId: string, requiredBy: string | undefined, path: string, what: string, names: KnownNames): TopologyProblem {
  const suggestion = names.closest(componentId);
  const isNot = requiredBy === undefined ? 'but is not registered' : 'which is not registered';
  return {
    code: DagErrorCode.unknownComponent,
    path,
    message: `${what}, ${isNot}${suggestion === undefined ? '' : `; did you mean "${suggestion}"?`}`,
    componentId,
    ...(requiredBy === undefined ? {} : { requiredBy }),
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}

function cycles(edges: ReadonlyMap<string, readonly string[]>): TopologyProblem[] {
  return findCycles(edges).map((cyclePath) => {
    const componentId = cyclePath[0]!;
    const isLoop = cyclePath.length === 2;
    return {
      code: DagErrorCode.cycle,
      path: `dependencies.${componentId}`,
      message: isLoop
        ? `component "${componentId}" depends on itself`
        : `components wait for each other: ${cyclePath.join(' → ')}; remove one of these dependencies`,
      componentId,
      cyclePath,
    };
  });
}

function twoWriters(components: readonly ComponentDeclaration[]): TopologyProblem[] {
  const first = new Map<string, string>();
  const shared = new Map<string, Set<string>>();
  for (const { componentId, writes = [] } of components) {
    for (const columnName of writes) {
      const writer = first.get(columnName);
      if (writer === undefined) first.set(columnName, componentId);
      else if (writer !== componentId) shared.set(columnName, (shared.get(columnName) ?? new Set([writer])).add(componentId));
    }
  }
  const problems: TopologyProblem[] = [];
  for (const [columnName, set] of shared) {
    const names = [...set].sort();
    const componentId = names[1]!;
    problems.push({
      code: DagErrorCode.twoWriters,
      path: `components[${components.findIndex((component) => component.componentId === componentId)}].writes`,
      message: `"${columnName}" is written by ${names.map((name) => `"${name}"`).join(' and ')}; exactly one component may write it`,
      componentId,
      columnName,
    });
  }
  return problems.sort(byComponent);
}

function readsBeforeWrites(input: TopologyInput, edges: ReadonlyMap<string, readonly string[]>): TopologyProblem[] {
  const given = new Set(input.given);
  const writers = new Map<string, string>();
  for (const { componentId, writes = [] } of input.components)
    for (const columnName of writes) if (!writers.has(columnName)) writers.set(columnName, componentId);
  const problems: TopologyProblem[] = [];
  for (const [index, { componentId, reads = [] }] of input.components.entries()) {
    const suspects = [...new Set(reads)].filter((columnName) => !given.has(columnName) && writers.has(columnName));
    if (suspects.length === 0) continue;
    const dependencies = new Set(edges.get(componentId));
    // Only for what is read over several steps: it costs a walk through the graph.
    const distant = suspects.filter((columnName) => !dependencies.has(writers.get(columnName)!));
    if (distant.length === 0) continue;
    const late = notBefore(componentId, new Set(distant.map((columnName) => writers.get(columnName)!)), edges);
    for (const columnName of distant) {
      const writer = writers.get(columnName)!;
      if (!late.has(writer)) continue;
      const isOwn = writer === componentId;
      problems.push({
        code: DagErrorCode.readBeforeWrite,
        path: `components[${index}].reads`,
        message: isOwn
          ? `component "${componentId}" reads "${columnName}", which it writes itself`
          : `component "${componentId}" reads "${columnName}", which "${writer}" writes, but does not wait for it; ` +
            `add "${writer}" to the dependencies of "${componentId}"`,
        componentId: writer,
        requiredBy: componentId,
        columnName,
      });
    }
  }
  return problems.sort(byComponent);
}

/** Those of `wanted` that may not have ended when `componentId` starts. Looks at the nearest first, and no further than it has to. */
function notBefore(componentId: string, wanted: Set<string>, edges: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const reached = new Set([componentId]);
  // It comes by itself only in a cycle.
  for (const at of reached) {
    for (const dependency of edges.get(at) ?? []) {
      reached.add(dependency);
      wanted.delete(dependency);
    }
    if (wanted.size === 0) break;
  }
  return wanted;
}

function byComponent(left: TopologyProblem, right: TopologyProblem): number {
  return (
    compare(left.requiredBy ?? '', right.requiredBy ?? '') ||
    compare(left.componentId ?? '', right.componentId ?? '') ||
    compare(left.columnName ?? '', right.columnName ?? '')
  );
}

function compare(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
