import { setFlagsFromString } from 'node:v8';
import { describe, expect, it, vi } from 'vitest';
import { runServer } from './run-server.js';

vi.mock('node:v8', async (original) => ({ ...(await original<typeof import('node:v8')>()), setFlagsFromString: vi.fn() }));

describe('runServer', () => {
  it('limits how far the heap grows, whoever calls it', async () => {
    await expect(runServer({ APP_PORT: 'none' })).rejects.toThrow('APP_PORT');
    expect(vi.mocked(setFlagsFromString).mock.calls).toEqual([['--heap-growing-percent=50']]);
  });
});
