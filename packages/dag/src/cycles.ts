/**
 * One cycle for every knot of components that wait for each other: the shortest through its alphabetically first member,
 * first and last alike. Only called on the way to an error, so it is written to be clear, not fast.
 */
export function findCycles(edges: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] {
  const cycles: (readonly string[])[] = [];
  const inKnot = new Set<string>();
  for (const start of leftovers(edges).sort()) {
    if (inKnot.has(start)) continue;
    const cycle = shortestCycle(start, edges);
    if (cycle === undefined) continue;
    cycles.push(cycle);
    for (const member of knotOf(start, edges)) inKnot.add(member);
  }
  return cycles;
}

/** What is left when components that wait for nothing are taken away again and again: cycles and all that waits for one. */
function leftovers(edges: ReadonlyMap<string, readonly string[]>): string[] {
  const waitingFor = new Map<string, number>();
  const dependents = reversed(edges);
  for (const [componentId, dependencies] of edges) waitingFor.set(componentId, dependencies.length);
  const free = [...edges.keys()].filter((componentId) => waitingFor.get(componentId) === 0);
  for (let at = free.pop(); at !== undefined; at = free.pop()) {
    waitingFor.delete(at);
    for (const dependent of dependents.get(at) ?? []) {
      const count = waitingFor.get(dependent)! - 1;
      waitingFor.set(dependent, count);
      if (count === 0) free.push(dependent);
    }
  }
  return [...waitingFor.keys()];
}

function shortestCycle(start: string, edges: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const cameFrom = new Map<string, string>();
  const open = [start];
  for (const at of open) {
    for (const next of [...(edges.get(at) ?? [])].sort()) {
      if (next === start) {
        const path = [start];
        for (let step: string | undefined = at; step !== undefined && step !== start; step = cameFrom.get(step)) path.push(step);
        return [start, ...path.reverse()];
      }
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, at);
      open.push(next);
    }
  }
  return undefined;
}

/** Everything that both waits for `start` and is waited for by it. */
function knotOf(start: string, edges: ReadonlyMap<string, readonly string[]>): Set<string> {
  const forward = reachable(start, edges);
  const backward = reachable(start, reversed(edges));
  return new Set([...forward].filter((componentId) => backward.has(componentId)));
}

function reachable(start: string, edges: ReadonlyMap<string, readonly string[]>): Set<string> {
  const seen = new Set([start]);
  for (const at of seen) for (const next of edges.get(at) ?? []) seen.add(next);
  return seen;
}

function reversed(edges: ReadonlyMap<string, readonly string[]>): Map<string, string[]> {
  const back = new Map<string, string[]>();
  for (const componentId of edges.keys()) back.set(componentId, []);
  for (const [componentId, dependencies] of edges) for (const dependency of dependencies) back.get(dependency)?.push(componentId);
  return back;
}
