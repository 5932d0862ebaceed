import type { CallHead, Upstream } from '@inferflow/transport';

/** A service that a component calls: remote, or in this process. */
export interface ServiceBackend {
  readonly upstream: Upstream;
  /** The constant part of calls to a path (`/package.Service/Method`), with caller id and token; the same object for the same path. */
  readonly head: (path: string) => CallHead;
  /** Deadline of one call in ms where the component names none. */
  readonly deadlineMs: number;
  /** Rows or keys of one call where the component names none; 0 = all in one call. */
  readonly batchSize: number;
  /** For texts, such as `feature store at 10.0.0.7:8089`. */
  readonly description: string;
}

/** The services behind the components of a process. null = not configured. */
export interface Backends {
  readonly featureStore: ServiceBackend | null;
  /** The model server of an endpoint: `host`, `host:port` or `local`. May be asked again for the same endpoint: must then answer the same. */
  model(endpoint: string): ServiceBackend | null;
  readonly compute: ServiceBackend | null;
  readonly expressions: ExpressionEngine | null;
}

/** Width of a computation in process. */
export type ExpressionPrecision = 'fp32' | 'fp64';

/** Expressions in this process. */
export interface ExpressionEngine {
  /** The expression of a compute id, to be handed to `compile`; undefined = not known here. */
  forComputeId(computeId: string): string | undefined;
  /** Compiles for columns in a given order. Throws when the expression is wrong. */
  compile(expression: string, precision: ExpressionPrecision, columnNames: readonly string[]): CompiledExpression;
}

/** An expression ready to run. */
export interface CompiledExpression {
  /** One value per row. Columns come in the order given to `compile`. Throws when the numbers do not work out (a division by zero). */
  evaluate(columns: readonly (Float32Array | Float64Array)[], rowCount: number): Float32Array | Float64Array;
}

/** No backend at all: for tests and for models that only compute. */
export const noBackends: Backends = Object.freeze({ featureStore: null, model: () => null, compute: null, expressions: null });
