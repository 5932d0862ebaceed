import {
  allRows,
  type Block,
  type BlockShape,
  createBlockShape,
  createSlate,
  Layout,
  Matrix,
  MemoryPool,
  NONE,
  type RowSet,
  rowsOfSlates,
  type Slate,
  type Source,
  sourceOf,
} from '@inferflow/matrix';
import { CallScope, GrpcCode } from '@inferflow/transport';
import { type Backends, noBackends } from '../backends.js';
import type { FeatureCache } from '../cache/feature-cache.js';
import { ComponentBinding } from '../component-binding.js';
import { noComponentMetrics } from '../component-metrics.js';
import type { RequestInfo } from '../component-run.js';
import { ComponentRunState } from '../component-run-state.js';
import { type Component, type ComponentDefinition, writeSlots } from '../define-component.js';
import { createFailure, type Failure } from '../failure.js';
import { makeComponent } from '../make-component.js';
import { createTestTable, type TestColumns, type TestTable } from './test-table.js';

/** What a component is tried with. */
export interface TestOptions {
  /** Raw configuration: goes through the definition's `parseConfig`. */
  readonly config: unknown;
  /** Columns of the target matrix. */
  readonly columns: TestColumns;
  /** Rows of the target matrix. @default the length of the columns */
  readonly rows?: number;
  /** Groups of targets, for slate components, and columns with one value per group. */
  readonly slate?: { readonly targets: readonly (readonly number[])[]; readonly columns?: TestColumns };
  readonly backends?: Partial<Backends>;
  readonly compat?: boolean;
  readonly cache?: FeatureCache;
  readonly shareFetches?: boolean;
  readonly wasm?: boolean;
  readonly maxParallelBatches?: number;
  readonly maxParallelCalls?: number;
  readonly componentName?: string;
  /** Budget of the request in ms. @default none */
  readonly deadlineMs?: number;
  readonly routeHash?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What one request of a bench has of its own. */
export interface TestRequestOptions {
  /** Other values for the same columns. Not for benches with slates. @default the bench's */
  readonly columns?: TestColumns;
  /** Budget in ms. @default the bench's */
  readonly deadlineMs?: number;
}

/** One component with everything around it that an engine would provide, ready for any number of requests. */
export class TestBench {
  readonly component: Component;
  readonly binding: ComponentBinding;
  readonly pool = new MemoryPool();
  readonly targets: TestTable;
  readonly slates: TestTable | null;
  readonly #options: TestOptions;
  readonly #targetLayout: Layout;
  readonly #slateLayout: Layout | null;

  constructor(definition: ComponentDefinition, options: TestOptions) {
    this.#options = options;
    this.targets = createTestTable(options.columns, options.rows);
    this.slates = options.slate === undefined ? null : createTestTable(options.slate.columns ?? {}, options.slate.targets.length);
    const componentName = options.componentName ?? 'tested';
    this.component = makeComponent(definition, options.config, {
      componentName,
      modelConfigId: 'test',
      compat: options.compat ?? false,
      backends: { ...noBackends, ...options.backends },
      metrics: noComponentMetrics,
      features: {
        cache: options.cache ?? null,
        cacheVersion: 1,
        shareFetches: options.shareFetches ?? true,
        wasm: options.wasm ?? true,
        maxParallelBatches: options.maxParallelBatches ?? 16,
      },
      limits: { maxAnswerBytes: 32 * 1024 * 1024, maxParallelCalls: options.maxParallelCalls ?? 32 },
      pool: this.pool,
    });
    const slots = writeSlots(this.component);
    const shape = slots.length === 0 ? null : createBlockShape(slots);
    const ownShape = (scope: 'target' | 'slate'): BlockShape | null => (this.component.scope === scope ? shape : null);
    this.#targetLayout = new Layout([this.targets.shape, ownShape('target')]);
    this.#slateLayout = this.slates === null ? null : new Layout([this.slates.shape, ownShape('slate')]);
    this.binding = new ComponentBinding(
      this.component,
      {
        target: (name) => sourceIn(this.targets.shape, name),
        slate: (name) => (this.slates === null ? null : sourceIn(this.slates.shape, name)),
        targetLayout: this.#targetLayout,
        slateLayout: this.#slateLayout,
        isRequestText: (name) => this.targets.texts.has(name) || this.slates?.texts.has(name) === true,
      },
      { shape, blockIndex: 1, slotOf: slots.map((_, index) => index), pool: this.pool },
      options.compat ?? false,
      componentName,
    );
  }

  /** A run state, as an engine's pool would hold it. */
  createState(): ComponentRunState {
    return new ComponentRunState(this.binding, 0);
  }

  /** A request with fresh matrices. */
  createRequest(own: TestRequestOptions = {}): TestRequest {
    const { slate } = this.#options;
    const targets = own.columns === undefined ? this.targets : createTestTable(own.columns, undefined);
    const matrix = new Matrix(this.#targetLayout, targets.rowCount, this.pool);
    matrix.setBlock(0, targets.fill(this.pool));
    let slates: Slate | null = null;
    if (slate !== undefined && this.slates !== null && this.#slateLayout !== null) {
      const slateMatrix = new Matrix(this.#slateLayout, this.slates.rowCount, this.pool);
      slateMatrix.setBlock(0, this.slates.fill(this.pool));
      slates = createSlate(slateMatrix, slate.targets, this.targets.rowCount);
    }
    const rows = this.component.scope === 'slate' && slates !== null ? rowsOfSlates(slates) : allRows(targets.rowCount);
    return new TestRequest(matrix, slates, rows, { ...this.#options, ...own });
  }
}

/** One request of a bench: its matrices, its scope, and how the component ended. */
export class TestRequest {
  readonly matrix: Matrix;
  readonly slate: Slate | null;
  readonly rows: RowSet;
  readonly scope: CallScope;
  readonly info: RequestInfo;
  /** How often the component said that it ended. */
  ends = 0;
  failure: Failure | null = null;
  /** Resolves when the component ended. */
  readonly ended: Promise<void>;
  #resolve: () => void = () => {};

  constructor(matrix: Matrix, slate: Slate | null, rows: RowSet, options: TestOptions) {
    this.matrix = matrix;
    this.slate = slate;
    this.rows = rows;
    this.scope = new CallScope(options.deadlineMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + options.deadlineMs);
    this.info = {
      modelConfigId: 'test',
      trackingId: 'test',
      userId: options.headers?.['user-id'] ?? '',
      header: (name) => options.headers?.[name],
      routeHash: options.routeHash ?? 0,
      deadline: this.scope.deadline,
      reserveMs: 0,
    };
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Runs a state for this request, as an engine would. */
  begin(state: ComponentRunState): void {
    state.begin(this, this.matrix, this.slate, this.rows, this.scope, this.info);
  }

  /** Ends the request before the component ended. */
  cancel(state: ComponentRunState, reason: 'cancelled' | 'deadline' = 'cancelled'): void {
    this.scope.end(reason);
    state.cancel(reason);
  }

  callEnded(): void {}

  componentEnded(_index: number, failure: Failure | null): void {
    this.ends++;
    this.failure = failure;
    this.#resolve();
  }

  componentBroke(error: unknown): void {
    this.componentEnded(0, createFailure('exception', String(error), '', GrpcCode.INTERNAL, error));
  }

  /** The block that the component wrote, null when there is none. */
  written(scope: 'target' | 'slate'): Block | null {
    return (scope === 'slate' ? this.slate?.matrix : this.matrix)?.blocks[1] ?? null;
  }

  /** Gives the memory back. */
  release(): void {
    if (this.scope.ended === null) this.scope.end('done');
    this.matrix.release();
    this.slate?.matrix.release();
  }
}

function sourceIn(shape: BlockShape, name: string): Source | null {
  const slot = shape.slots.findIndex((entry) => entry.name === name);
  return slot < 0 ? null : sourceOf(slotRef(shape, slot), NONE);
}

function slotRef(shape: BlockShape, slot: number): Source['first'] {
  return new Layout([shape]).ref((shape.slots[slot] as BlockShape['slots'][number]).name);
}
