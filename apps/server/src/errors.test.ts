import { createDirectorySource } from '@inferflow/config';
import { describe, expect, it } from 'vitest';
import { ServerStartError, startProblems } from './errors.js';

describe('startProblems', () => {
  it('has a sentence for what a library refuses, its cause included, and none for a defect', async () => {
    const error = await createDirectorySource({ directory: '/no/such/directory' })
      .start(() => {})
      .then(
        () => null,
        (reason: unknown) => reason,
      );
    expect(startProblems(error)).toEqual({
      code: expect.stringMatching(/^INFERFLOW_CONFIG_/),
      problems: [expect.stringMatching(/\/no\/such\/directory cannot be read.*ENOENT/)],
    });
    expect(startProblems(new ServerStartError('LISTEN_FAILED', ['a', 'b']))?.problems).toEqual(['a', 'b']);
    expect(startProblems(Object.assign(new Error('no'), { code: 'EPIPE' }))).toBeNull();
    expect(startProblems('text')).toBeNull();
  });
});
