import type { DataType } from '@inferflow/matrix';
import type { JsonObject } from './json.js';

/** The built-in root that creates the matrices. It appears in `dependencies` as a value only. */
export const FEATURE_INITIALIZER = 'feature_initializer';

/** One model's configuration in the one form that all rooms use, whichever dialect it was written in. Deeply frozen. */
export interface ModelConfig {
  readonly modelConfigId: string;
  /** The dialect it was written in; it changes nothing else. */
  readonly dialect: Dialect;
  /** SHA-256 of the meaning (without id, dialect and extra fields), first 16 hex digits. Equal for both spellings of a config. */
  readonly hash: string;
  /** `compat: "go-1.0"`: the listed defects of the original are kept. */
  readonly compat: boolean;
  /** How values in Predict requests are read. */
  readonly requestValues: 'text' | 'typed';
  /**
   * What each component of the graph waits for, duplicates removed, `feature_initializer` as a value only.
   * A component without a key here is configured but not part of the graph: it never runs.
   * No prototype, so any text is a safe key.
   */
  readonly dependencies: Readonly<Record<string, readonly string[]>>;
  /** Names of all configured components in config order; `components` has the same order. */
  readonly order: readonly string[];
  readonly cache: ModelCacheConfig;
  /** Percentage of upstream errors that are logged, 0–100. */
  readonly errorLoggingPercent: number;
  /** Deadline of a request in milliseconds when the caller sends none. */
  readonly deadlineMs?: number;
  readonly components: readonly ComponentConfig[];
  readonly response: ResponseConfig;
  /** Fields nobody knows, kept for conversion, by place: `$`, `components`, `component:"<name>"`, `component:"<name>"/inputs/0`, … */
  readonly extra: Readonly<Record<string, JsonObject>>;
}

/** `documented`: maps, parent → children. `deployed`: arrays, component → what it waits for. */
export type Dialect = 'documented' | 'deployed';

/** What happens to a request when a component fails. */
export type OnFailure = 'default' | 'fail' | 'skip_dependents';

/** Which matrix a component works on. */
export type ComponentScope = 'target' | 'slate';

/** Feature cache settings that hold for the whole model. */
export interface ModelCacheConfig {
  readonly enabled: boolean;
  /** As written (0 counts as 1 in cache keys; 1–15 fit the log metadata byte). */
  readonly version: number;
  /** Seconds; never 0. */
  readonly ttlSeconds: number;
}

interface ComponentBase {
  /** Name in the graph. */
  readonly componentName: string;
  readonly onFailure: OnFailure;
}

/** Fetches features of an entity. */
export interface FeatureComponentConfig extends ComponentBase {
  readonly kind: 'feature';
  readonly componentId: string;
  /** True: the key values joined by `|` are written to the text column `componentId`. */
  readonly compositeId: boolean;
  readonly keys: readonly { readonly schema: string; readonly column: string }[];
  readonly entityLabel: string;
  readonly groups: readonly FeatureGroupConfig[];
  /** Text before the label in column names, verbatim. */
  readonly columnPrefix: string;
  /** The label in column names; equals `entityLabel` unless a prefix replaces the label. */
  readonly columnLabel: string;
  readonly cache: FeatureCacheConfig;
  /** Milliseconds; absent: the service's setting. */
  readonly deadlineMs?: number;
  /** Keys per call; absent: the service's setting. */
  readonly batchSize?: number;
  /** Every requested feature, in request order: groups in order, features in order. */
  readonly columns: readonly FeatureColumn[];
  /** Kept for the original service, which requires it and ignores it. */
  readonly flattenResponseKeys: readonly string[];
}

/** One feature group of a query. */
export interface FeatureGroupConfig {
  readonly label: string;
  readonly dataType: DataType;
  /** The group's type as written. */
  readonly dataTypeText: string;
  /** As written, may carry `@DataTypeX`. */
  readonly features: readonly string[];
}

/** Cache settings of one feature component. */
export interface FeatureCacheConfig {
  /** True only if both the model's flag and the component's flag are on. */
  readonly enabled: boolean;
  /** The component's own flag. */
  readonly requested: boolean;
  /** Effective: the component's, else the model's. Seconds. */
  readonly ttlSeconds: number;
  /** The component's own value, 0 = inherits. Seconds. */
  readonly ownTtlSeconds: number;
  /** How long past its TTL an entry may stand in for a failed fetch; 0 = never. */
  readonly staleIfErrorSeconds: number;
}

/** One column that a feature component writes. */
export interface FeatureColumn {
  /** prefix + label + `:` + group + `:` + feature, cut at the last `@`. */
  readonly name: string;
  /** The feature label to ask for, with its `@…` if it has one. */
  readonly requestLabel: string;
  /** Index into `groups`. */
  readonly group: number;
  /** The type after the `@`, else the group's. */
  readonly dataType: DataType;
  readonly groupDataType: DataType;
}

/** Calls a model. */
export interface PredatorComponentConfig extends ComponentBase {
  readonly kind: 'predator';
  readonly componentId: string;
  readonly modelName: string;
  readonly modelVersion: string;
  /** `host`, `host:port` or `local`; empty if only `endpoints` route. Also taken when routing picks nothing. */
  readonly endpoint: string;
  /** Percentage routing, in order; empty = always `endpoint`. */
  readonly endpoints: readonly ModelEndpoint[];
  /** Milliseconds; undefined: the service's setting. */
  readonly deadlineMs: number | undefined;
  /** Rows per call; undefined: all rows in one call. */
  readonly batchSize: number | undefined;
  /** Name of the calibration helper columns, empty = none. */
  readonly calibration: string;
  readonly inputs: readonly ModelInput[];
  readonly outputs: readonly ModelOutput[];
  readonly scope: ComponentScope;
  readonly slateCalls: 'per_slate' | 'rows' | 'dimension';
  /** Rows of concurrent requests may share a call. */
  readonly coalesce: boolean;
  /** How long they wait for each other, 0–50 ms; 0 = until the turn of the event loop ends. */
  readonly coalesceWaitMs: number;
  /** One returned row stands for all rows. */
  readonly broadcastSingleScore: boolean;
}

/** A share of a model's traffic. */
export interface ModelEndpoint {
  readonly endpoint: string;
  /** 0–100; may have a fraction. */
  readonly percentage: number;
  /** Model to ask there; absent: the component's. */
  readonly modelName?: string;
}

/** One input tensor. */
export interface ModelInput {
  readonly name: string;
  readonly features: readonly string[];
  /** Without the batch dimension; -1 = inferred. */
  readonly shape: readonly number[];
  /** V2 name: `FP32`, `INT64`, `BYTES`, … */
  readonly dataType: string;
  /** As written. */
  readonly dataTypeText: string;
}

/** One output tensor and the score columns cut from it. */
export interface ModelOutput {
  readonly name: string;
  /** V2 name. */
  readonly dataType: string;
  /** As written. */
  readonly dataTypeText: string;
  readonly scores: readonly { readonly name: string; readonly dims: readonly number[] }[];
}

/** Evaluates an expression over columns. */
export interface NumerixComponentConfig extends ComponentBase {
  readonly kind: 'numerix';
  /** Column sent as row id. */
  readonly componentId: string;
  readonly scoreColumn: string;
  readonly dataType: DataType;
  /** As written. */
  readonly dataTypeText: string;
  /** Empty if `expression` is given alone. */
  readonly computeId: string;
  /** Declared order. */
  readonly variables: readonly NumerixVariable[];
  readonly scope: ComponentScope;
  /** Milliseconds; absent: the service's setting. */
  readonly deadlineMs?: number;
  /** Rows per call; absent: the service's setting. */
  readonly batchSize?: number;
  /** Postfix expression, evaluated in process. */
  readonly expression?: string;
}

/** One variable of an expression. */
export interface NumerixVariable {
  readonly variable: string;
  readonly dataType: DataType;
  /** As written after the `@`. */
  readonly dataTypeText: string;
  readonly column: string;
}

/** A component type that is not built in. */
export interface PluginComponentConfig extends ComponentBase {
  readonly kind: 'plugin';
  /** Registered component type. */
  readonly type: string;
  /** Handed to the plugin's `parseConfig` as it is. */
  readonly config: unknown;
  readonly scope: ComponentScope;
}

/** One configured component. */
export type ComponentConfig = FeatureComponentConfig | PredatorComponentConfig | NumerixComponentConfig | PluginComponentConfig;

/** What a request answers and what is logged. */
export interface ResponseConfig {
  /** Columns of the answer, in order. */
  readonly features: readonly string[];
  /** Text column that holds the ids of Predict targets. */
  readonly idColumn: string;
  /** Percentage of users that get the extended column list, 0–100. */
  readonly modelSchemaPercent: number;
  readonly loggingPercent: number;
  /** Percentage of requests with a full record, 0–100; absent = the server's. */
  readonly scoringLogPercent?: number;
  /** false: all columns; true: `features`; a list: these columns. */
  readonly logFeatures: boolean | readonly string[];
  readonly logBatchSize: number;
}
