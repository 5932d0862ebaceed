import { DagError, DagErrorCode } from './errors.js';
import type { OnFailure, Topology, TopologyInput } from './topology.js';
import { findTopologyProblems, type TopologyProblem } from './topology-problems.js';

/**
 * Checks a graph and turns it into a {@link Topology}.
 * @throws DagError with everything that is wrong in `issues`; its code is that of the problems, or `INFERFLOW_DAG_INVALID` if they differ.
 */
export function compileTopology(input: TopologyInput): Topology {
  const problems = findTopologyProblems(input);
  if (problems.length > 0) throw toError(problems);

  const { components } = input;
  const declared = new Map<string, number>();
  for (const [index, { componentId }] of components.entries()) declared.set(componentId, index);
  const dependenciesOf = components.map(() => [] as number[]);
  for (const [componentId, dependencies] of Object.entries(input.dependencies))
    dependenciesOf[declared.get(componentId)!] = [...new Set(dependencies)].map((dependency) => declared.get(dependency)!);

  const levelsByDeclaration = toLevels(dependenciesOf);
  const order = levelsByDeclaration.flat();
  const indexOf = new Uint16Array(order.length);
  for (const [index, declaration] of order.entries()) indexOf[declaration] = index;

  const dependents = order.map(() => [] as number[]);
  for (const [index, declaration] of order.entries())
    for (const dependency of dependenciesOf[declaration]!) dependents[indexOf[dependency]!]!.push(index);

  return Object.freeze({
    componentIds: Object.freeze(order.map((declaration) => components[declaration]!.componentId)),
    levels: Object.freeze(levelsByDeclaration.map((level) => Object.freeze(level.map((declaration) => indexOf[declaration]!)))),
    dependencyCounts: Uint16Array.from(order, (declaration) => dependenciesOf[declaration]!.length),
    dependents: Object.freeze(dependents.map((list) => Uint16Array.from(list))),
    onFailure: Object.freeze(order.map((declaration): OnFailure => components[declaration]!.onFailure ?? 'default')),
  });
}

/** Kahn's algorithm, one level at a time. */
function toLevels(dependenciesOf: readonly (readonly number[])[]): number[][] {
  const waitingFor = Uint16Array.from(dependenciesOf, (dependencies) => dependencies.length);
  const dependents = dependenciesOf.map(() => [] as number[]);
  for (const [index, dependencies] of dependenciesOf.entries()) for (const dependency of dependencies) dependents[dependency]!.push(index);
  const levels: number[][] = [];
  let level = [...waitingFor.keys()].filter((index) => waitingFor[index] === 0);
  while (level.length > 0) {
    levels.push(level);
    const next: number[] = [];
    for (const index of level) {
      for (const dependent of dependents[index]!) {
        waitingFor[dependent]! -= 1;
        if (waitingFor[dependent] === 0) next.push(dependent);
      }
    }
    level = next.sort((left, right) => left - right);
  }
  return levels;
}

function toError(issues: readonly TopologyProblem[]): DagError {
  const first = issues[0]!;
  const isOneKind = issues.every((issue) => issue.code === first.code);
  const message =
    issues.length === 1
      ? first.message
      : `the graph has ${issues.length} problems: ${issues.map((issue) => `(${issue.path}) ${issue.message}`).join('; ')}`;
  return new DagError(isOneKind ? first.code : DagErrorCode.invalid, message, {
    issues: Object.freeze([...issues]),
    path: issues.find((issue) => issue.cyclePath !== undefined)?.cyclePath,
    componentId: isOneKind ? first.componentId : undefined,
    requiredBy: isOneKind ? first.requiredBy : undefined,
  });
}
