/** One input tensor of an embedder's model: row-major values and the shape with the row count first. */
export interface ModelInput {
  readonly data:
    | Float32Array
    | Float64Array
    | Int8Array
    | Int16Array
    | Int32Array
    | BigInt64Array
    | Uint8Array
    | Uint16Array
    | Uint32Array
    | BigUint64Array
    | readonly string[];
  readonly shape: readonly number[];
  /** V2 name, such as `FP32`. */
  readonly dataType: string;
}

/** One output of an embedder's model: values of all rows, row after row. */
export type ModelOutput = ArrayLike<number> | ArrayLike<bigint> | readonly string[] | readonly boolean[];

/** What a model function may want to know besides its inputs. */
export interface ModelCallInfo {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly rowCount: number;
  readonly signal: AbortSignal;
}

/** A model as a function: inputs by tensor name; outputs by name, or the only output's values. */
export type ModelFunction = (
  inputs: Readonly<Record<string, ModelInput>>,
  info: ModelCallInfo,
) => ModelOutput | Readonly<Record<string, ModelOutput>> | Promise<ModelOutput | Readonly<Record<string, ModelOutput>>>;

/** Models by model name. */
export type ModelFunctions = Readonly<Record<string, ModelFunction>>;
