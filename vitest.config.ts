import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const isCi = Boolean(process.env['CI']);

export default defineConfig({
  // Tests read the packages' sources, so a test run never sees a stale build.
  resolve: { conditions: ['@inferflow/source', 'node', 'import', 'default'] },
  ssr: { resolve: { conditions: ['@inferflow/source', 'node', 'import', 'default'] } },
  test: {
    include: ['{packages,apps,examples}/*/src/**/*.test.ts', 'tests/**/*.test.ts'],
    exclude: ['**/dist/**', '**/node_modules/**'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // A shared CI machine stalls now and then; a test that fails three times has failed.
    retry: isCi ? 2 : 0,
    // Vitest leaves a core free: of two, half the machine, and a file waits for most of its time.
    ...(isCi && { maxWorkers: Math.max(2, availableParallelism() - 1) }),
  },
});
