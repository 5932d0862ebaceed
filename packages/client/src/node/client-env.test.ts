import { describe, expect, it } from 'vitest';
import { ClientError } from '../errors.js';
import { readClientEnv } from './client-env.js';

describe('readClientEnv', () => {
  it('reads the names of the original with its defaults', () => {
    expect(readClientEnv({ INFERFLOW_CLIENT_V1_HOST: 'scores', INFERFLOW_CALLER_ID: 'shop' })).toEqual({
      host: 'scores',
      port: 8080,
      timeoutMs: 200,
      tls: null,
      authToken: '',
      callerId: 'shop',
    });
    const all = {
      INFERFLOW_CLIENT_V1_HOST: 'scores',
      INFERFLOW_CLIENT_V1_PORT: '9000',
      INFERFLOW_CLIENT_V1_DEADLINE_MS: '50',
      INFERFLOW_CLIENT_V1_PLAINTEXT: 'false',
      INFERFLOW_CLIENT_V1_AUTH_TOKEN: 'secret',
      INFERFLOW_CALLER_ID: 'shop',
    };
    expect(readClientEnv(all)).toEqual({ host: 'scores', port: 9000, timeoutMs: 50, tls: true, authToken: 'secret', callerId: 'shop' });
  });

  it('names every variable that is missing or wrong', () => {
    const env = { INFERFLOW_CLIENT_V1_PORT: '70000', INFERFLOW_CLIENT_V1_DEADLINE_MS: '0', INFERFLOW_CLIENT_V1_PLAINTEXT: 'maybe' };
    try {
      readClientEnv(env);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ClientError);
      expect((error as ClientError).problems.map((problem) => problem.path).sort()).toEqual([
        'INFERFLOW_CALLER_ID',
        'INFERFLOW_CLIENT_V1_DEADLINE_MS',
        'INFERFLOW_CLIENT_V1_HOST',
        'INFERFLOW_CLIENT_V1_PLAINTEXT',
        'INFERFLOW_CLIENT_V1_PORT',
      ]);
    }
  });
});
