/**
 * One cycle for every knot of components that wait for each other: the shortest through its alphabetically first member,
 * first and last alike. Takes time in proportion to the graph, however many knots it has and however much waits for them.
 */
export function findCycles(edges: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] {
  const starts = knots(edges).map((members) => [...members].sort()[0]!);
  return starts.sort().flatMap((start) => {
    const cycle = shortestCycle(start, edges);
    return cycle === undefined ? [] : [cycle];
  });
}

/**
 * Components in groups whose members all wait for each other; one that is in no such group, but could wait for itself, is a group of its own.
 * Kosaraju's algorithm, with lists for the stack: a chain of thousands must not need thousands of frames. What waits for nothing in a cycle
 * is left out, because most graphs have none.
 */
function knots(edges: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] {
  const left = new Map(leftovers(edges).map((componentId) => [componentId, edges.get(componentId) ?? []] as const));
  const back = reversed(left);
  const groups: string[][] = [];
  const grouped = new Set<string>();
  for (const root of leavingOrder(left).reverse()) {
    if (grouped.has(root)) continue;
    const group = [root];
    grouped.add(root);
    for (const member of group) {
      for (const next of back.get(member) ?? []) {
        if (grouped.has(next)) continue;
        grouped.add(next);
        group.push(next);
      }
    }
    if (group.length > 1 || left.get(root)?.includes(root)) groups.push(group);
  }
  return groups;
}

/** Every component after all that a walk along the edges reaches from it for the first time. */
function leavingOrder(edges: ReadonlyMap<string, readonly string[]>): string[] {
  const order: string[] = [];
  const seen = new Set<string>();
  for (const root of edges.keys()) {
    if (seen.has(root)) continue;
    seen.add(root);
    const path = [{ at: root, taken: 0 }];
    for (let top = path[0]; top !== undefined; top = path.at(-1)) {
      const next = edges.get(top.at)?.[top.taken++];
      if (next === undefined) {
        order.push(top.at);
        path.pop();
      } else if (edges.has(next) && !seen.has(next)) {
        seen.add(next);
        path.push({ at: next, taken: 0 });
      }
    }
  }
  return order;
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

function reversed(edges: ReadonlyMap<string, readonly string[]>): Map<string, string[]> {
  const back = new Map<string, string[]>();
  for (const componentId of edges.keys()) back.set(componentId, []);
  for (const [componentId, dependencies] of edges) for (const dependency of dependencies) back.get(dependency)?.push(componentId);
  return back;
}
