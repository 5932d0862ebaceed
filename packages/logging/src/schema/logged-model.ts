import type { DataType } from '@inferflow/matrix';

/** What logging reads of a model's configuration; a `ModelConfig` of the config package fits. */
export interface LoggedModel {
  readonly modelConfigId: string;
  /** Content hash of the configuration. */
  readonly hash: string;
  readonly cache: { readonly version: number };
  readonly components: readonly LoggedComponent[];
  readonly response: LoggedResponse;
}

/** One configured component, by kind. */
export type LoggedComponent = LoggedFeatures | LoggedPredator | LoggedNumerix | LoggedPlugin;

/** A component that fetches features. */
export interface LoggedFeatures {
  readonly kind: 'feature';
  readonly groups: readonly { readonly dataTypeText: string }[];
  readonly columns: readonly {
    readonly name: string;
    readonly group: number;
    readonly dataType: DataType;
    readonly groupDataType: DataType;
  }[];
}

/** A component that calls a model. */
export interface LoggedPredator {
  readonly kind: 'predator';
  readonly inputs: readonly { readonly features: readonly string[]; readonly shape: readonly number[] }[];
  readonly outputs: readonly {
    readonly dataTypeText: string;
    readonly scores: readonly { readonly name: string; readonly dims: readonly number[] }[];
  }[];
}

/** A component that evaluates an expression. */
export interface LoggedNumerix {
  readonly kind: 'numerix';
  readonly scoreColumn: string;
  readonly dataTypeText: string;
  readonly variables: readonly { readonly column: string }[];
}

/** A component of another type: what it writes is unknown here. */
export interface LoggedPlugin {
  readonly kind: 'plugin';
}

/** What is answered and logged. */
export interface LoggedResponse {
  readonly features: readonly string[];
  /** Text column whose cells are the entities of the log; '' = the first feature. */
  readonly idColumn: string;
  readonly loggingPercent: number;
  /** Share of requests with a ScoringLog; absent = the process decides. */
  readonly scoringLogPercent?: number;
  /** false: all columns; true: `features`; a list: these columns. */
  readonly logFeatures: boolean | readonly string[];
  /** Rows of a message; 0 or less = 500. */
  readonly logBatchSize: number;
}
