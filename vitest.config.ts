import { defineConfig } from 'vitest/config';

// Tests stand beside the code. Two workers: the machines this runs on are small, and several suites start threads themselves.
export default defineConfig({
  test: {
    include: ['{engine,electron,renderer,build}/**/*.test.ts'],
    exclude: ['**/node_modules/**', '.out/**', 'build/e2e/**'],
    environment: 'node',
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    passWithNoTests: true,
    coverage: { reportsDirectory: 'coverage' },
  },
});
