import { defineConfig } from 'vitest/config';

/**
 * Three tiers, one command, one after the other. The end-to-end tier starts real processes that mostly wait (for leases,
 * drains, deadlines), so several of its files run side by side even on two cores; those that keep both cores busy, or
 * count what only a machine of their own gives, run alone behind them. No test asserts a time: the bounds below only end
 * what hangs.
 */
const alone = ['request-cost', 'local-start', 'live-many-sockets', 'live-restart', 'live-stuck-reader', 'priority'].map(
  (name) => `test/e2e/${name}.test.ts`,
);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'local/**/*.test.ts'],
          environment: 'node',
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          environment: 'node',
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: alone,
          environment: 'node',
          testTimeout: 240_000,
          hookTimeout: 120_000,
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'e2e-alone',
          include: alone,
          environment: 'node',
          testTimeout: 240_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
