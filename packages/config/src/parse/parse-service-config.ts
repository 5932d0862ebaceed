import { editDistance } from '@inferflow/dag';
import { isJsonObject } from '../json.js';
import { describeValue, joinPath } from '../json-path.js';
import type { Problem } from '../problem.js';
import type { ServiceConfig } from '../snapshot.js';
import { createProblem } from './parse-context.js';

/** Settings of a service that says nothing: no logs. */
export const defaultServiceConfig: ServiceConfig = Object.freeze({ loggingType: '', compressionEnabled: false });

const loggingTypes = ['proto', 'arrow', 'parquet'] as const;

/** What came of reading the service settings. */
export interface ServiceResult {
  readonly service: ServiceConfig;
  readonly problems: readonly Problem[];
}

/**
 * Reads the service settings in either spelling (`v2-logging-type`, `v2_logging_type`; `compression-enabled`, `compression_enabled`).
 * An unknown logging type logs nothing, as in the original, with a warning.
 */
export function parseServiceConfig(raw: unknown): ServiceResult {
  if (raw === undefined || raw === null) return { service: defaultServiceConfig, problems: [] };
  if (!isJsonObject(raw)) return { service: defaultServiceConfig, problems: [wrongType('$', raw, 'an object')] };
  const problems: Problem[] = [];
  let { loggingType, compressionEnabled } = defaultServiceConfig;
  for (const [key, value] of Object.entries(raw)) {
    const path = joinPath('$', key);
    const name = key.toLowerCase().replaceAll('_', '-');
    if (value === null || value === undefined) continue;
    if (name === 'v2-logging-type') {
      if (typeof value !== 'string') problems.push(wrongType(path, value, 'text'));
      else loggingType = readLoggingType(value, path, problems);
    } else if (name === 'compression-enabled') {
      if (typeof value !== 'boolean') problems.push(wrongType(path, value, 'true or false'));
      else compressionEnabled = value;
    } else problems.push(unknownField(key, name, path));
  }
  return { service: Object.freeze({ loggingType, compressionEnabled }), problems };
}

function readLoggingType(value: string, path: string, problems: Problem[]): ServiceConfig['loggingType'] {
  const found = loggingTypes.find((type) => type === value.trim().toLowerCase());
  if (found === undefined && value !== '') {
    const details = { found: describeValue(value), expected: loggingTypes.join(', ') };
    problems.push(
      createProblem('INFERFLOW_CONFIG_LOGGING_TYPE', path, `unknown logging type ${describeValue(value)}: nothing is logged`, details),
    );
  }
  return found ?? '';
}

function unknownField(key: string, name: string, path: string): Problem {
  const suggestion = ['v2-logging-type', 'compression-enabled'].find((known) => editDistance(known, name, 2) <= 2);
  const details = { found: key, suggestion, ...(suggestion === undefined ? { severity: 'hint' as const } : {}) };
  return createProblem('INFERFLOW_CONFIG_UNKNOWN_FIELD', path, `unknown field ${JSON.stringify(key)} is ignored`, details);
}

function wrongType(path: string, value: unknown, expected: string): Problem {
  const found = describeValue(value);
  return createProblem('INFERFLOW_CONFIG_WRONG_TYPE', path, `expected ${expected}, found ${found}`, { found, expected });
}
