import { closestName } from './closest-name.js';
import { DagError, DagErrorCode } from './errors.js';

/**
 * What a component's failure means for the rest of the graph: `default` – those that wait for it run all the same;
 * `skip_dependents` – everything that waits for it, directly or not, is skipped; `fail` – the execution ends as failed.
 */
export type OnFailure = 'default' | 'fail' | 'skip_dependents';

/** One component as a graph sees it. The names it reads and writes mean nothing here; they only have to fit together. */
export interface ComponentDeclaration {
  readonly componentId: string;
  /** Names the component reads. One that no component writes is assumed to come from outside. */
  readonly reads?: readonly string[];
  /** Names the component writes. */
  readonly writes?: readonly string[];
  /** @default 'default' */
  readonly onFailure?: OnFailure;
}

/** An untrusted graph. */
export interface TopologyInput {
  readonly components: readonly ComponentDeclaration[];
  /** Key waits for values. A component without an entry waits for nothing; a repeated value counts once. */
  readonly dependencies: Readonly<Record<string, readonly string[]>>;
  /** Names that are there from the start: reading them needs no writer to have run. */
  readonly given?: readonly string[];
}

/**
 * A checked, frozen graph. A component is known by its index in `componentIds`; every component's index is above those
 * of the components it waits for. May be shared by any number of executions.
 */
export interface Topology {
  /** By level, within a level in the order of declaration. */
  readonly componentIds: readonly string[];
  /** Level 0 waits for nothing; level n waits for at least one component of level n − 1. */
  readonly levels: readonly (readonly number[])[];
  /** How many components each one waits for. Not to be written to. */
  readonly dependencyCounts: Uint16Array;
  /** Which components wait for each one, ascending. Not to be written to. */
  readonly dependents: readonly Uint16Array[];
  readonly onFailure: readonly OnFailure[];
}

/**
 * Does `to` wait for `from`, directly or through others? Components are given by id or by index; a component does not reach itself.
 * @throws DagError `INFERFLOW_DAG_UNKNOWN_COMPONENT`
 */
export function reaches(topology: Topology, from: string | number, to: string | number): boolean {
  const start = indexOf(topology, from);
  const goal = indexOf(topology, to);
  // An edge always leads to a higher index, so whatever lies above the goal cannot lead back to it.
  if (goal <= start) return false;
  const seen = new Uint8Array(goal);
  const open = [start];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const next of topology.dependents[at]!) {
      if (next === goal) return true;
      if (next > goal || seen[next] === 1) continue;
      seen[next] = 1;
      open.push(next);
    }
  }
  return false;
}

function indexOf(topology: Topology, component: string | number): number {
  const index = typeof component === 'number' ? component : topology.componentIds.indexOf(component);
  if (topology.componentIds[index] !== undefined) return index;
  const guess = typeof component === 'string' ? closestName(component, topology.componentIds) : undefined;
  throw new DagError(
    DagErrorCode.unknownComponent,
    `component ${JSON.stringify(component)} is not part of this topology${guess === undefined ? '' : `; did you mean "${guess}"?`}`,
    { componentId: String(component) },
  );
}
