import { ClientErrorCode, type Problem, problemsError } from '../errors.js';
import { LONGEST_TIMER_MS } from '../longest-timer.js';
import type { NodeClientOptions } from './node-client.js';

/**
 * Reads client settings from environment variables, by the names that clients of
 * the original service use: `INFERFLOW_CLIENT_V1_HOST` (required), `…_PORT`
 * (8080), `…_DEADLINE_MS` (200), `…_PLAINTEXT` (true), `…_AUTH_TOKEN`, and
 * `INFERFLOW_CALLER_ID` (required). TLS verifies certificates.
 * @throws ClientError naming every variable that is missing or wrong
 */
export function readClientEnv(env: Readonly<Record<string, string | undefined>>): NodeClientOptions {
  const problems: Problem[] = [];
  const text = (name: string, fallback: string) => (env[name] === undefined || env[name] === '' ? fallback : env[name]);
  const required = (name: string) => {
    const value = text(name, '');
    if (value === '') {
      problems.push({ path: name, message: 'is required' });
    }
    return value;
  };
  const positive = (name: string, fallback: string, most: number) => {
    const value = text(name, fallback);
    if (!/^\d{1,10}$/.test(value) || Number(value) < 1 || Number(value) > most) {
      problems.push({ path: name, message: `expected a whole number from 1 to ${most}` });
    }
    return Number(value);
  };
  const plaintext = text('INFERFLOW_CLIENT_V1_PLAINTEXT', 'true').toLowerCase();
  if (!/^(true|t|1|false|f|0)$/.test(plaintext)) {
    problems.push({ path: 'INFERFLOW_CLIENT_V1_PLAINTEXT', message: 'expected true or false' });
  }
  const options: NodeClientOptions = {
    host: required('INFERFLOW_CLIENT_V1_HOST'),
    port: positive('INFERFLOW_CLIENT_V1_PORT', '8080', 65_535),
    timeoutMs: positive('INFERFLOW_CLIENT_V1_DEADLINE_MS', '200', LONGEST_TIMER_MS),
    tls: /^(true|t|1)$/.test(plaintext) ? null : true,
    authToken: text('INFERFLOW_CLIENT_V1_AUTH_TOKEN', ''),
    callerId: required('INFERFLOW_CALLER_ID'),
  };
  if (problems.length > 0) {
    throw problemsError(ClientErrorCode.optionsInvalid, 'invalid environment', problems);
  }
  return options;
}
