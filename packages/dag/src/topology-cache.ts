import { compileTopology } from './compile-topology.js';
import { DagError, DagErrorCode } from './errors.js';
import type { Topology, TopologyInput } from './topology.js';

/** Bounds of a topology cache. */
export interface TopologyCacheOptions {
  /** Most topologies kept; 0 keeps none. @default 500 */
  readonly maxEntries?: number;
  /** Milliseconds that a topology is kept, counted from its compilation; 0 keeps none, `Infinity` for ever. @default 300000 */
  readonly ttlMs?: number;
  /** The clock, in milliseconds. @default performance.now */
  readonly now?: () => number;
}

/** For callers who bring a graph with every request: equal graphs are compiled once. */
export interface TopologyCache {
  /**
   * The topology of this graph. Graphs are equal when they say the same, in whatever order; ties in the topological
   * order are broken by name, so that the answer does not depend on who asked first.
   * @throws DagError as `compileTopology`; a graph with problems is not kept.
   */
  compile(input: TopologyInput): Topology;
  clear(): void;
  readonly size: number;
  /** Answers that needed no compilation. */
  readonly hits: number;
  /** Answers that needed one, bad graphs included. */
  readonly misses: number;
  /** Topologies that made room for others before their time was over. */
  readonly evictions: number;
}

/**
 * Keeps the least recently used topologies out.
 * @throws DagError `INFERFLOW_DAG_OPTION_INVALID`
 */
export function createTopologyCache(options: TopologyCacheOptions = {}): TopologyCache {
  const { maxEntries = 500, ttlMs = 300_000, now = () => performance.now() } = options;
  if (!(Number.isInteger(maxEntries) && maxEntries >= 0)) throw invalid('maxEntries', maxEntries, 'a whole number, 0 or more');
  if (!(ttlMs >= 0)) throw invalid('ttlMs', ttlMs, 'milliseconds, 0 or more');
  return new LruTopologyCache(maxEntries, ttlMs, now);
}

interface Entry {
  readonly topology: Topology;
  readonly expiresAt: number;
}

class LruTopologyCache implements TopologyCache {
  readonly #maxEntries: number;
  readonly #ttlMs: number;
  readonly #now: () => number;
  /** Least recently used first: a Map keeps the order of insertion, and a hit is inserted again. */
  readonly #entries = new Map<string, Entry>();
  hits = 0;
  misses = 0;
  evictions = 0;

  constructor(maxEntries: number, ttlMs: number, now: () => number) {
    this.#maxEntries = maxEntries;
    this.#ttlMs = ttlMs;
    this.#now = now;
  }

  get size(): number {
    return this.#entries.size;
  }

  compile(input: TopologyInput): Topology {
    const canonical = canonicalInput(input);
    const key = JSON.stringify(canonical);
    const time = this.#now();
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      this.#entries.delete(key);
      if (entry.expiresAt > time) {
        this.#entries.set(key, entry);
        this.hits++;
        return entry.topology;
      }
    }
    this.misses++;
    const topology = compileCanonical(canonical, input);
    if (this.#maxEntries === 0 || this.#ttlMs === 0) return topology;
    this.#makeRoom(time);
    this.#entries.set(key, { topology, expiresAt: time + this.#ttlMs });
    return topology;
  }

  clear(): void {
    this.#entries.clear();
  }

  #makeRoom(time: number): void {
    if (this.#entries.size < this.#maxEntries) return;
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size < this.#maxEntries) return;
      if (entry.expiresAt > time) this.evictions++;
      this.#entries.delete(key);
    }
  }
}

/** Problems are told by their places in what the caller wrote. */
function compileCanonical(canonical: ReturnType<typeof canonicalInput>, input: TopologyInput): Topology {
  try {
    return compileTopology({ ...canonical, dependencies: Object.fromEntries(canonical.dependencies) });
  } catch (error) {
    compileTopology(input);
    throw error;
  }
}

/** What a graph says, without the order in which it was written. As JSON it is the key: quoting keeps odd names apart. */
function canonicalInput(input: TopologyInput) {
  return {
    components: [...input.components]
      .sort((left, right) => compare(left.componentId, right.componentId))
      .map(({ componentId, reads = [], writes = [], onFailure = 'default' }) => ({
        componentId,
        reads: sortedSet(reads),
        writes: sortedSet(writes),
        onFailure,
      })),
    dependencies: Object.entries(input.dependencies)
      .map(([componentId, dependencies]) => [componentId, sortedSet(dependencies)] as const)
      .sort(([left], [right]) => compare(left, right)),
    given: sortedSet(input.given ?? []),
  };
}

function sortedSet(names: readonly string[]): readonly string[] {
  return names.length < 2 ? names : [...new Set(names)].sort();
}

function compare(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function invalid(name: string, value: unknown, expected: string): DagError {
  return new DagError(DagErrorCode.optionInvalid, `${name} is ${String(value)}; expected ${expected}`);
}
