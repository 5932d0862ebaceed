import {
  type BlockShape,
  compileGather,
  type GatherProgram,
  isSlateRef,
  type Layout,
  type MemoryPool,
  NONE,
  type Source,
  slateRef,
} from '@inferflow/matrix';
import type { Component } from './define-component.js';
import { ComponentError } from './errors.js';
import type { ReadSpec, TensorRead } from './reads.js';

/** Names → columns of one bound plan. */
export interface ColumnResolver {
  /** Where the target matrix has a name; null = nowhere. */
  target(name: string): Source | null;
  /** Where the slate matrix has a name; null = nowhere, or no slate matrix. */
  slate(name: string): Source | null;
  readonly targetLayout: Layout;
  readonly slateLayout: Layout | null;
  /** Whether the request gives this name (its cells are text, or typed bytes of a typed model). */
  isRequestText(name: string): boolean;
}

/** Where a component's cells go. */
export interface WriteTarget {
  /** null for a component that writes nothing. */
  readonly shape: BlockShape | null;
  /** Index of the component's block in its matrix. */
  readonly blockIndex: number;
  /** Declared write i → slot of the shape. */
  readonly slotOf: readonly number[];
  /** Where the block's memory comes from; the pool of the request's matrices. */
  readonly pool: MemoryPool;
}

/** A declared read with its names resolved. `program` is there for tensors; a run forks its own. */
export interface ResolvedRead {
  readonly name: string;
  readonly spec: ReadSpec;
  readonly sources: readonly (Source | null)[];
  readonly program: GatherProgram | null;
}

/** No column: reads as missing. */
export const noSource: Source = Object.freeze({ first: NONE, otherwise: NONE });

/**
 * A component bound to the columns of one plan and request schema: every name is a reference. Shared by all runs.
 * A slate component resolves a name in the target matrix first, then in the slate matrix.
 */
export class ComponentBinding {
  readonly component: Component;
  readonly resolver: ColumnResolver;
  readonly write: WriteTarget;
  readonly compat: boolean;
  /** Name in the graph, for failures. */
  readonly componentName: string;
  readonly reads: readonly ResolvedRead[];
  /** Ends that came after the end; a bug of the component. */
  lateEnds = 0;

  /** @throws ComponentError INFERFLOW_COMPONENTS_COLUMN_AMBIGUOUS for a name in both matrices */
  constructor(component: Component, resolver: ColumnResolver, write: WriteTarget, compat: boolean, componentName = 'component') {
    this.component = component;
    this.resolver = resolver;
    this.write = write;
    this.compat = compat;
    this.componentName = componentName;
    this.reads = Object.entries(component.reads).map(([name, spec]) => this.#resolve(name, spec));
  }

  #resolve(name: string, spec: ReadSpec): ResolvedRead {
    const sources = spec.columns.map((column) => this.#sourceOf(column, spec.kind === 'keys'));
    return { name, spec, sources, program: spec.kind === 'tensor' ? this.#compileTensor(spec, sources) : null };
  }

  #compileTensor(spec: TensorRead, sources: readonly (Source | null)[]): GatherProgram {
    return compileGather({
      sources,
      layout: this.resolver.targetLayout,
      slateLayout: this.resolver.slateLayout,
      v2Type: spec.type,
      shape: spec.shape,
      compat: this.compat,
      texts: spec.columns.map((column) => this.resolver.isRequestText(column)),
    });
  }

  #sourceOf(column: string, isKey: boolean): Source | null {
    const found = this.resolver.target(column);
    const source = this.component.scope === 'slate' ? this.#withSlate(column, found) : found;
    // For a key the text given in the request goes first, where there is one; everyone else prefers the fetched value.
    if (isKey && source !== null && source.otherwise !== NONE && this.resolver.isRequestText(column)) {
      return { first: source.otherwise, otherwise: source.first };
    }
    return source;
  }

  #withSlate(column: string, target: Source | null): Source | null {
    const slate = this.resolver.slate(column);
    if (slate === null) return target;
    if (target === null) return { first: asSlate(slate.first), otherwise: asSlate(slate.otherwise) };
    throw new ComponentError(
      'INFERFLOW_COMPONENTS_COLUMN_AMBIGUOUS',
      `column "${column}" exists per target and per slate; a slate component cannot tell which is meant, rename one`,
    );
  }
}

function asSlate(ref: Source['first']): Source['first'] {
  return isSlateRef(ref) ? ref : slateRef(ref);
}
