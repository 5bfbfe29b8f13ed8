import { defineConfig } from 'vitest/config';

/**
 * Three tiers, one after the other. The end-to-end tier starts real processes that mostly wait (for leases, drains,
 * deadlines), so several of its files run side by side even on two cores; those that keep both cores busy, or count what
 * only a machine of their own gives, run alone behind them. `npm test` runs the tiers up to there, which is the
 * way of one job; the longer tests of the live connections, the fan-outs, the batches and the page come with `npm run test:all`, which is what the check runs.
 * No test asserts a time: the bounds below only end what hangs.
 */
const alone = ['request-cost', 'local-start', 'priority'].map((name) => `test/e2e/${name}.test.ts`);
const longer = ['live-*', 'fanout-*', 'batch-*', 'web-*', 'tracing'].map((name) => `test/e2e/${name}.test.ts`);
const longerAlone = ['live-many-sockets', 'live-restart', 'live-stuck-reader'].map(
  (name) => `test/e2e/${name}.test.ts`,
);

/** What is not on the way of one job: batches, and what people and the clock do with them. */
const integrationLonger = [
  'api-files',
  'api-batches*',
  'api-random-batches',
  'api-schedules',
  'batch-*',
  'cli*',
  'evaluate-each',
  'example-pipelines',
  'live-batches',
  'schedules*',
  'worker-chunks*',
].map((name) => `test/integration/${name}.test.ts`);

/** Real processes: a stack of its own for each file. */
const endToEnd = { environment: 'node', testTimeout: 240_000, hookTimeout: 120_000 } as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'local/**/*.test.ts', 'docker/**/*.test.ts'],
          environment: 'node',
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          exclude: integrationLonger,
          environment: 'node',
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'integration-longer',
          include: integrationLonger,
          environment: 'node',
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 6 },
        },
      },
      {
        test: {
          ...endToEnd,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: [...alone, ...longer],
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
        },
      },
      { test: { ...endToEnd, name: 'e2e-alone', include: alone, maxWorkers: 1, sequence: { groupOrder: 3 } } },
      {
        test: {
          ...endToEnd,
          name: 'e2e-longer',
          include: longer,
          exclude: longerAlone,
          maxWorkers: 3,
          sequence: { groupOrder: 4 },
        },
      },
      {
        test: {
          ...endToEnd,
          name: 'e2e-longer-alone',
          include: longerAlone,
          maxWorkers: 1,
          sequence: { groupOrder: 5 },
        },
      },
    ],
  },
});
