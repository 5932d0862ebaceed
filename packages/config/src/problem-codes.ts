import type { Severity } from './problem.js';

/** What the reference page says about one code. */
export interface ProblemDefinition {
  readonly severity: Severity;
  readonly meaning: string;
  readonly remedy: string;
}

const error = (meaning: string, remedy: string): ProblemDefinition => ({ severity: 'error', meaning, remedy });
const warning = (meaning: string, remedy: string): ProblemDefinition => ({ severity: 'warning', meaning, remedy });
const hint = (meaning: string, remedy: string): ProblemDefinition => ({ severity: 'hint', meaning, remedy });

/** Every problem a config can have. A retired code is never used again. */
export const problemTable = {
  INFERFLOW_CONFIG_SYNTAX: error('The document is not JSON (or YAML).', 'Correct the syntax at the named position.'),
  INFERFLOW_CONFIG_UNREADABLE: error(
    'The document could not be read.',
    'Check that it is a regular file, and that the service may read it.',
  ),
  INFERFLOW_CONFIG_TWO_FILES: error('Two files define one model, or the service settings.', 'Remove one.'),
  INFERFLOW_CONFIG_TOO_DEEP: error('Values are nested deeper than 100 levels.', 'Flatten the document.'),
  INFERFLOW_CONFIG_WRONG_TYPE: error('A value has the wrong JSON type.', 'Write the expected type.'),
  INFERFLOW_CONFIG_MISSING: error('A required setting is missing or empty.', 'Add it.'),
  INFERFLOW_CONFIG_INVALID_VALUE: error('A value is not one of those allowed, or outside its range.', 'Write one of the expected values.'),
  INFERFLOW_CONFIG_BOTH_DIALECTS: error('Component collections of both dialects are present.', 'Keep the maps or the lists.'),
  INFERFLOW_CONFIG_UNKNOWN_DATA_TYPE: error('A data type has an unknown name.', 'Use one of the known names.'),
  INFERFLOW_CONFIG_NO_COMPONENTS: error(
    'The graph is empty, or there is no component that fetches, calls a model, evaluates an inline expression or is a plugin.',
    'Add components and mention them in component_dependency.',
  ),
  INFERFLOW_CONFIG_NAME_CLASH: error(
    'Two components have one name, or a component has the name of the built-in start node.',
    'Rename one.',
  ),
  INFERFLOW_CONFIG_AMBIGUOUS_SCORE: error('A bare score name is a score of several components.', 'Write <component>:<score>.'),
  INFERFLOW_CONFIG_ROUTE_PERCENTAGES: error('Routing percentages are negative, or their sum is neither 100 nor 0.', 'Make the sum 100.'),
  INFERFLOW_CONFIG_CYCLE: error('Components wait for each other in a circle.', 'Remove one edge of the named path.'),
  INFERFLOW_CONFIG_UNKNOWN_COMPONENT: error('The graph mentions a component that is not configured.', 'Configure it or correct the name.'),
  INFERFLOW_CONFIG_READ_BEFORE_WRITE: error(
    'A component reads a column that another one writes, without running after it.',
    'Let the reader depend on the writer, directly or through others.',
  ),
  INFERFLOW_CONFIG_TWO_WRITERS: error('Two components write one column.', 'Rename one of the columns.'),
  INFERFLOW_CONFIG_SHAPE_MISMATCH: error('The columns of a tensor cannot fill its shape.', 'Correct the shape or the list of features.'),
  INFERFLOW_CONFIG_NO_CONVERSION: error('A column’s type cannot be converted to the type it is read as.', 'Change one of the types.'),
  INFERFLOW_CONFIG_TEXT_AS_NUMBER: error(
    'A text column is read as a number: only text that holds a number converts, everything else becomes 0. A server only warns of it in a model whose requests are read as text (`request_values`), as the original converts such text; `inferflow lint` and typed models refuse it.',
    'Declare the feature with the type it has in the store.',
  ),
  INFERFLOW_CONFIG_UNKNOWN_FEATURE: error(
    'An entity, feature group or feature is not in the feature registry (`inferflow lint --features`).',
    'Correct the name, or register it.',
  ),
  INFERFLOW_CONFIG_FEATURE_TYPE: error(
    'A feature group is read as another type than the feature registry says.',
    'Write the type of the registry as `data_type`.',
  ),
  INFERFLOW_CONFIG_KEY_SCHEMA: error(
    'A component asks by other keys than the entity has in the feature registry.',
    'Write the key names of the registry.',
  ),
  INFERFLOW_CONFIG_UNKNOWN_MODEL: error(
    'The model server, or this process for endpoint `local`, does not have the model or its version.',
    'Correct `model_name` or `model_version`, or deploy the model.',
  ),
  INFERFLOW_CONFIG_SLATE_COLUMN: error('A target component reads a column that only exists for slates.', 'Make it a slate component.'),
  INFERFLOW_CONFIG_REFUSED: error('The engine could not compile the model.', 'See the message.'),
  INFERFLOW_CONFIG_UPSTREAM_MISMATCH: error(
    'The model server has this model, in this version, with other tensors: every call would fail.',
    'Correct name, type or shape of the tensor, or put the right model on the server; the server is asked again every 15 seconds.',
  ),
  INFERFLOW_CONFIG_UPSTREAM_INPUT: warning(
    'The model on its server has an input that the component does not send.',
    'Add the input, unless it is optional.',
  ),
  INFERFLOW_CONFIG_DUPLICATE_COMPONENT: warning(
    'A list holds a component twice; the last one is used, at the first one’s place.',
    'Remove one.',
  ),
  INFERFLOW_CONFIG_DUPLICATE_FIELD: warning('A field is written twice with different case; the last one is used.', 'Remove one.'),
  INFERFLOW_CONFIG_INVERTED_EDGE: warning('An edge looks as if it was written in the other dialect’s direction.', 'Swap the two names.'),
  INFERFLOW_CONFIG_UNUSED_COMPONENT: warning(
    'A component is configured but not mentioned in the graph, so it never runs.',
    'Mention it, or remove it.',
  ),
  INFERFLOW_CONFIG_DEFAULTED: warning('A setting that the original service requires is missing; a default is used.', 'Write the setting.'),
  INFERFLOW_CONFIG_CLAMPED: warning('A number is outside its range; the nearest allowed one is used.', 'Write a number within the range.'),
  INFERFLOW_CONFIG_TWO_ROUTE_TABLES: warning('model_end_points and route_config differ; model_end_points is used.', 'Keep one.'),
  INFERFLOW_CONFIG_CACHE_VERSION: warning('cache_version does not fit the log metadata (1–15).', 'Use 1–15.'),
  INFERFLOW_CONFIG_ORDER: warning('order mentions an unknown component or one twice.', 'Correct the list.'),
  INFERFLOW_CONFIG_LOGGING_TYPE: warning(
    'The logging type of the service settings is unknown: nothing is logged. An error for `inferflow lint` and `push`.',
    'Use proto, arrow or parquet.',
  ),
  INFERFLOW_CONFIG_UNUSED_COLUMN: warning(
    'A column is fetched or computed, but no component reads it, no answer holds it and no log keeps it.',
    'Remove it from the component, or add it where it was meant to be used.',
  ),
  INFERFLOW_CONFIG_DEADLINE: warning(
    'Deadlines of components, alone or of those that wait for each other, do not fit into the time a request has. A hint where only the sum is too long for a model that names no `deadline`.',
    'Lower them, or raise `deadline` of the model.',
  ),
  INFERFLOW_CONFIG_NOT_COALESCED: warning(
    '`coalesce` or `coalesce_wait_ms` is set where calls cannot be shared between requests, so it changes nothing.',
    'Remove it; calls of slate components and of models whose one row stands for all rows belong to one request. `coalesce_wait_ms` needs `coalesce`.',
  ),
  INFERFLOW_CONFIG_MODEL_UNREACHABLE: warning(
    'A model server could not be asked (`inferflow lint --probe`), or does not say what its models take.',
    'Start it, or correct the endpoint; until then nothing is proven.',
  ),
  INFERFLOW_CONFIG_EMPTY_ANSWER: warning('response_config.features is empty: answers hold no columns.', 'List the columns to answer.'),
  INFERFLOW_CONFIG_SLATE_NOT_ANSWERED: warning(
    'A slate component’s scores are not among the response features, so they are not answered.',
    'Add them to response_config.features.',
  ),
  INFERFLOW_CONFIG_LIKELY_TYPO: warning(
    'A column that nobody writes is nearly the name of one that is written, or begins with the name of a component or feature group.',
    'Use the suggested name, if that was meant; list a feature that is fetched nowhere.',
  ),
  INFERFLOW_CONFIG_UNKNOWN_FIELD: warning(
    'An unknown field, which is ignored, looks like a known one or is one of the other dialect. Any other unknown field is a hint.',
    'Use the suggested name, if that was meant.',
  ),
  INFERFLOW_CONFIG_NOTHING_FETCHED: warning(
    'A component that fetches features lists none, so it writes no column.',
    'List features in its query, or remove the component.',
  ),
  INFERFLOW_CONFIG_EXTRA_DROPPED: warning(
    'An unknown field cannot be kept in the other dialect, where its name has a meaning.',
    'Rename the field.',
  ),
  INFERFLOW_CONFIG_REPEATED: hint('A list names something twice. A key name that is asked for twice is a warning.', 'Remove one.'),
  INFERFLOW_CONFIG_REQUEST_COLUMN: hint(
    'A column that no component writes: it comes from the request, and is missing where the request has none.',
    'Nothing, if the request sends it.',
  ),
  INFERFLOW_CONFIG_BATCH_UNBOUND: hint(
    '`coalesce` is set without `batch_size`: a call may grow to the rows of all requests of a moment.',
    'Set `batch_size` to what the model serves best in one call.',
  ),
  INFERFLOW_CONFIG_COMPAT: hint('compat keeps defects of the original alive.', 'Remove compat when callers no longer rely on them.'),
} as const satisfies Record<string, ProblemDefinition>;

/** Code of a problem. */
export type ProblemCode = keyof typeof problemTable;
