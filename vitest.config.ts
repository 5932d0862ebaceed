import { defineConfig } from 'vitest/config';

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
    retry: process.env['CI'] ? 2 : 0,
  },
});
