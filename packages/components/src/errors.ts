/** Stable codes of every error that this package throws; match on these, not on texts. */
export type ComponentErrorCode =
  /** `register` was given something that is no component definition, or one that fails its checks. */
  | 'INFERFLOW_COMPONENTS_DEFINITION_INVALID'
  /** A type is registered twice, here or in a parent. */
  | 'INFERFLOW_COMPONENTS_DUPLICATE_TYPE'
  /** The definition was written for another version of the contract. */
  | 'INFERFLOW_COMPONENTS_API_VERSION'
  /** Nobody registered this type. */
  | 'INFERFLOW_COMPONENTS_UNKNOWN_TYPE'
  /** The registry is in use by compiled plans. */
  | 'INFERFLOW_COMPONENTS_REGISTRY_FROZEN'
  /** A component's own configuration does not hold. */
  | 'INFERFLOW_COMPONENTS_CONFIG_INVALID'
  /** A component needs a backend that is not there. */
  | 'INFERFLOW_COMPONENTS_DEPENDENCY_UNAVAILABLE'
  /** A name stands in the target matrix and in the slate matrix. */
  | 'INFERFLOW_COMPONENTS_COLUMN_AMBIGUOUS'
  /** A declaration or a call breaks the component contract. */
  | 'INFERFLOW_COMPONENTS_CONTRACT'
  /** A run or its column is used after it ended. */
  | 'INFERFLOW_COMPONENTS_RUN_ENDED';

const brand = Symbol.for('inferflow.ComponentError');

/** A mistake in a plugin, a configuration or the wiring; what upstreams send never causes one (see `Failure`). */
export class ComponentError extends Error {
  override readonly name = 'ComponentError';
  readonly code: ComponentErrorCode;
  /** Where in the component's configuration, such as `$.inputs[0].shape`; undefined when it is not about a configuration. */
  readonly path: string | undefined;

  constructor(code: ComponentErrorCode, message: string, details: { readonly path?: string; readonly cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.path = details.path;
    Object.defineProperty(this, brand, { value: true });
  }

  /** True for errors of this family from any copy of the package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}

/** A declaration or a call breaks the component contract. */
export function brokenContract(message: string): ComponentError {
  return new ComponentError('INFERFLOW_COMPONENTS_CONTRACT', message);
}
