import type { MemoryPool, SlotSpec } from '@inferflow/matrix';
import type { ScopeEnd } from '@inferflow/transport';
import type { Backends } from './backends.js';
import type { FeatureCache } from './cache/feature-cache.js';
import type { ComponentMetrics } from './component-metrics.js';
import type { ComponentRun } from './component-run.js';
import { brokenContract } from './errors.js';
import { isReadSpec, type Reads } from './reads.js';
import { isWriteSpec, type WriteRows, type Writes } from './writes.js';

/** The version of the component contract that this package offers. */
export const COMPONENT_API_VERSION = 1;

/** What `execute` returns when it ends later with `run.done()` or `run.failed()`. */
export const PENDING: unique symbol = Symbol.for('inferflow.pending');

/** A component type: how its configuration is read and how instances are made. The unit that a plugin offers. */
export interface ComponentDefinition<C = unknown> {
  /** Name used in model configurations; lower case letters, digits, `_`, `-`, `.`. */
  readonly type: string;
  readonly apiVersion: 1;
  /** Checks raw configuration; throws with a text for the model's owner when it does not hold. Called when a model is loaded. */
  parseConfig(raw: unknown): C;
  /** Makes the component of one model. Called when a model is loaded, never on a request. */
  create(config: C, deps: ComponentDeps): Component;
}

/** What the engine gives an instance when a model is loaded. */
export interface ComponentDeps {
  /** Name in the graph. */
  readonly componentName: string;
  readonly modelConfigId: string;
  /** The model keeps the listed defects of the original. */
  readonly compat: boolean;
  readonly backends: Backends;
  readonly metrics: ComponentMetrics;
  readonly features: FeatureSourceOptions;
  readonly limits: ComponentLimits;
  readonly pool: MemoryPool;
}

/** How features are fetched. */
export interface FeatureSourceOptions {
  /** Shared by all models of the process; null = no cache. */
  readonly cache: FeatureCache | null;
  /** The model's cache version, 0 counting as 1; part of every cache key. */
  readonly cacheVersion: number;
  /** Requests that need a key which another one is fetching wait for that call. */
  readonly shareFetches: boolean;
  /** Answers are decoded in WebAssembly where the platform has it. */
  readonly wasm: boolean;
  /** Batches of one component of one request at the same time. */
  readonly maxParallelBatches: number;
}

/** Bounds of what one component of one request may do. */
export interface ComponentLimits {
  /** Longer answers are cut off and fail, bytes. */
  readonly maxAnswerBytes: number;
  /** Model or compute calls at the same time. */
  readonly maxParallelCalls: number;
}

/**
 * One configured component of one model, shared by all its requests: declarations and code, no request state.
 * `S` is what {@link ComponentSpec.createState} makes.
 */
export interface Component<R extends Reads = Reads, W extends Writes = Writes, S = unknown> {
  readonly reads: R;
  readonly writes: W;
  /** The matrix it works on. */
  readonly scope: 'target' | 'slate';
  /** How many rows its block has. */
  readonly rows: WriteRows;
  createState(): S;
  execute(run: ComponentRun<R, W, S>): void | Promise<void> | typeof PENDING;
  /** Whether it is sure to leave a run alone once it has ended, however it did. */
  readonly reusesRun: boolean;
  /** Whether `cancelled` lets go of the run, so that it may be used again. */
  readonly letsGo: boolean;
  cancelled(run: ComponentRun<R, W, S>, reason: ScopeEnd): void;
}

/** What an author hands to {@link component}. */
export interface ComponentSpec<R extends Reads, W extends Writes, S> {
  readonly reads: R;
  readonly writes: W;
  /** `slate`: works on slates of targets. @default `target` */
  readonly scope?: 'target' | 'slate';
  /** Makes the private memory of a run, `run.state`; where the run is used again, by later requests. @default undefined */
  createState?(): S;
  /**
   * A run is used again by later requests when `execute` returned without a promise or {@link PENDING}. `true`: after those, too. Only for
   * code that is sure to end once and then to leave the run alone: what comes late would reach another request. @default false
   */
  readonly reusesRun?: boolean;
  /**
   * Does the work for one request. Returns when done; or a promise; or {@link PENDING}, and later exactly one of `run.done()` and
   * `run.failed()`. A throw fails the component for this request only. A loop that never returns cannot be interrupted.
   */
  execute(run: ComponentRun<R, W, S>): void | Promise<void> | typeof PENDING;
  /**
   * The request ended while the component was {@link PENDING}, or `execute` threw and may have started something by then. After it returned,
   * the component must not touch the run again: it may be reused. Without this function a run whose component is still out is given to the
   * garbage collector.
   */
  cancelled?(run: ComponentRun<R, W, S>, reason: ScopeEnd): void;
}

/** Makes a component; TypeScript infers the names in `run.reads` and `run.writes`. Throws when the declarations contradict each other. */
export function component<const R extends Reads, const W extends Writes, S = undefined>(spec: ComponentSpec<R, W, S>): Component<R, W, S> {
  checkSpec(spec);
  const writes = Object.values(spec.writes);
  const rows = writes[0]?.rows ?? 'rows';
  const names = new Set<string>();
  for (const write of writes) {
    if (write.rows !== rows) throw brokenContract('all writes of a component are one block: they must agree on `rows`');
    for (const column of write.columns) {
      if (names.has(column.name)) throw brokenContract(`column "${column.name}" is written twice`);
      names.add(column.name);
    }
  }
  return Object.freeze({
    reads: spec.reads,
    writes: spec.writes,
    scope: spec.scope ?? 'target',
    rows,
    // Without the function, S is undefined: nothing else infers it.
    createState: () => spec.createState?.() as S,
    execute: (run: ComponentRun<R, W, S>) => spec.execute(run),
    reusesRun: spec.reusesRun ?? false,
    letsGo: spec.cancelled !== undefined,
    cancelled: (run: ComponentRun<R, W, S>, reason: ScopeEnd) => spec.cancelled?.(run, reason),
  });
}

/** What an author without types may get wrong. */
function checkSpec(spec: unknown): void {
  if (!isObject(spec)) throw brokenContract('component() takes { reads, writes, execute }');
  const { reads, writes, scope, execute, createState, cancelled } = spec as Partial<
    Record<keyof ComponentSpec<Reads, Writes, unknown>, unknown>
  >;
  if (!isObject(reads)) throw brokenContract('`reads` must be an object of reads by name, {} where there are none');
  if (!isObject(writes)) throw brokenContract('`writes` must be an object of writes by name, {} where there are none');
  for (const [name, read] of Object.entries(reads))
    if (!isReadSpec(read)) throw brokenContract(`\`reads.${name}\` must be made by readColumn, readColumns, readTensor or readKeys`);
  for (const [name, write] of Object.entries(writes))
    if (!isWriteSpec(write)) throw brokenContract(`\`writes.${name}\` must be made by writeColumns`);
  if (scope !== undefined && scope !== 'target' && scope !== 'slate') throw brokenContract('`scope` must be "target" or "slate"');
  if (typeof execute !== 'function') throw brokenContract('`execute` must be a function');
  for (const [name, member] of Object.entries({ createState, cancelled }))
    if (member !== undefined && typeof member !== 'function') throw brokenContract(`\`${name}\` must be a function, or left out`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** Declares a component type. Only gives the config type its inference; checks happen when it is registered. */
export function defineComponent<C>(definition: ComponentDefinition<C>): ComponentDefinition<C> {
  return definition;
}

/** Names of all columns a component reads, each once, in declared order. */
export function readNames(component: Component): readonly string[] {
  const names = new Set<string>();
  for (const read of Object.values(component.reads)) for (const name of read.columns) names.add(name);
  return [...names];
}

/** The columns a component writes, in declared order: the slots of its block before the compiler orders them. */
export function writeSlots(component: Component): readonly SlotSpec[] {
  return Object.values(component.writes).flatMap((write): readonly SlotSpec[] => write.columns);
}
