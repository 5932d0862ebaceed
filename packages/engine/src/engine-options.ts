import type { Backends, ExpressionEngine, Registry } from '@inferflow/components';
import type { ConfigSource } from '@inferflow/config';
import type { Telemetry } from '@inferflow/telemetry';
import type { ExpressionFunctions } from './embed/expression-functions.js';
import type { FeatureFunction } from './embed/feature-function.js';
import type { ModelFunctions } from './embed/model-functions.js';
import type { LogTap } from './log-tap.js';
import type { Limits } from './request/limits.js';

/** Where the engine writes its few log lines; pino fits. Lines never hold request values. */
export interface EngineLogger {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** What applies where a model's configuration and the caller say nothing. */
export interface EngineDefaults {
  /** Budget of a request whose caller sent no deadline and whose model names none, in ms. @default 5 000 */
  readonly deadlineMs: number;
  /** Part of the budget that is kept for building and sending the answer, in ms. @default 15, at most a quarter of the budget */
  readonly reserveMs: number;
  /** Deadline of a model call whose component has none, in ms. @default 1 000 */
  readonly modelDeadlineMs: number;
  /** Rows per model call where the component says nothing. @default 100 */
  readonly modelBatchSize: number;
  /** Feature-store batches of one component of one request that run at the same time. @default 16 */
  readonly featureParallelBatches: number;
  /** Model calls of one slate component of one request that run at the same time. @default 32 */
  readonly slateParallelCalls: number;
}

/** Options of `createEngine`. Only `configSource` is required; a backend is required when a model needs it. */
export interface EngineOptions {
  /** Where models come from: `createObjectSource({...})`, a directory, or anything that implements the interface. Closed with the engine. */
  readonly configSource: ConfigSource;
  /** Ready-made backends (remote or in process), as the server wires them. Exclusive with `featureStore`, `models`. */
  readonly backends?: Backends;
  /** An embedder's feature store as one function: keys in, one record per key out. */
  readonly featureStore?: FeatureFunction;
  /** An embedder's models by model name: input tensors in, outputs out. */
  readonly models?: ModelFunctions;
  /** Expressions in process: an engine such as `@inferflow/numerix`'s, or functions by compute id. */
  readonly expressions?: ExpressionEngine | ExpressionFunctions;
  /** Component types. @default the four built-ins */
  readonly registry?: Registry;
  /** Metrics, of this engine alone: of two that share them each would overwrite the other's gauges. @default none */
  readonly telemetry?: Telemetry;
  readonly limits?: Partial<Limits>;
  readonly defaults?: Partial<EngineDefaults>;
  /** `compat: "go-1.0"` for every model, whatever its configuration says. @default false */
  readonly compat?: boolean;
  /** Bytes of the off-heap feature cache; 0 = no cache. @default 64 MiB */
  readonly featureCacheBytes?: number;
  /** Whether requests that need the same keys at once share a fetch. @default true */
  readonly shareFetches?: boolean;
  /** Whether answers of the feature store are decoded in WebAssembly where the platform has it. @default true */
  readonly wasm?: boolean;
  /** Seam for inference logging. @default none */
  readonly logTap?: LogTap;
  /** @default no log lines */
  readonly logger?: EngineLogger;
  /** Layouts extended by request schemas that are kept per model. @default 64 */
  readonly boundPlansPerModel?: number;
  /** Idle request runs kept per model and schema. @default 64 */
  readonly idleRunsPerPlan?: number;
  /** Idle request runs kept over all models and schemas. @default 1024 */
  readonly idleRuns?: number;
  /** Wall clock in ms since the epoch, for tests and daily sampling. @default Date.now */
  readonly now?: () => number;
}
