#!/usr/bin/env node
import { defineCommand, runMain } from 'citty';
import { readClientConfig } from './runtime/client-config.ts';
import { ConfigError, readConfig } from './runtime/config.ts';
import { readLanes, readLimits } from './runtime/config-files.ts';
import { createLogger } from './runtime/logger.ts';
import { createMetrics } from './runtime/metrics.ts';
import type { ProcessDeps, Stop } from './runtime/process-deps.ts';
import { runUntilStopped } from './runtime/shutdown.ts';
import { startTracing } from './runtime/tracing.ts';

/** The only file that acts on load: reads the configuration, starts one mode, hands its stop to shutdown. */

function processDeps(mode: string, stopping = new AbortController().signal): ProcessDeps {
  const config = readConfig();
  const lanes = readLanes(config.configDir);
  return {
    config,
    lanes,
    limits: readLimits(config.configDir),
    logger: createLogger(config, mode),
    metrics: createMetrics(),
    stopping,
  };
}

/** A mode is loaded only where it runs: the others' libraries would take its memory, and a second of each command. */
function modeCommand(mode: string, description: string, start: (deps: ProcessDeps) => Promise<Stop>) {
  return defineCommand({
    meta: { name: mode, description },
    run: () =>
      orExplain(async () => {
        const stopping = new AbortController();
        const deps = processDeps(mode, stopping.signal);
        const { logger, config } = deps;
        const traced = async (): Promise<Stop> => {
          const stopTracing = await startTracing(config, { mode, logger });
          const stop = await start(deps);
          return () => stop().finally(stopTracing);
        };
        await runUntilStopped({ graceMs: config.times.stopTimeoutMs, logger, stopping, start: traced });
      }),
  });
}

const provisionCommand = defineCommand({
  meta: { name: 'provision', description: 'make queues, tables and the bucket; safe to repeat' },
  run: () =>
    orExplain(async () => {
      const deps = processDeps('provision');
      const [{ openState }, { provision }] = await Promise.all([
        import('./state/open-state.ts'),
        import('./aws/provision.ts'),
      ]);
      const { clients } = openState(deps.config, deps.metrics);
      await provision({ ...deps, clients });
      clients.destroy();
    }),
});

/** A wrong configuration ends the process with what is wrong, a line each, and no stack; anything else with its stack. */
async function orExplain(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    process.stderr.write(
      `${error instanceof ConfigError ? error.message : error instanceof Error ? error.stack : String(error)}\n`,
    );
    process.exit(1);
  }
}

/** For people, against any server: loaded only when it is asked for. Its usage and exit codes are its own. */
async function clientCommand(): Promise<void> {
  const { runCommandLine } = await import('./cli/command-line.ts');
  process.exitCode = await runCommandLine(process.argv.slice(2), readClientConfig);
}

const people = {
  batch: defineCommand({
    meta: { name: 'batch', description: 'take a dataset through a pipeline' },
    run: clientCommand,
  }),
  job: defineCommand({ meta: { name: 'job', description: 'ask a model once' }, run: clientCommand }),
};

const penstock = defineCommand({
  meta: { name: 'penstock', description: 'Buffered generative AI on AWS' },
  subCommands: {
    api: modeCommand('api', 'take jobs in, give results out', async (deps) =>
      (await import('./api/api-mode.ts')).startApi(deps),
    ),
    worker: modeCommand('worker', 'pull the lanes, call the models', async (deps) =>
      (await import('./workers/worker-mode.ts')).startWorker(deps),
    ),
    'fanout-router': modeCommand('fanout-router', 'split, join, deliver', async (deps) =>
      (await import('./fanout/router-mode.ts')).startRouter(deps),
    ),
    'batch-scheduler': modeCommand('batch-scheduler', 'keep schedules, split and join batches', async (deps) =>
      (await import('./batch/batch-mode.ts')).startBatchScheduler(deps),
    ),
    provision: provisionCommand,
    keys: async () => (await import('./api/keys-mode.ts')).keysCommand(() => processDeps('keys'), orExplain),
    ...people,
  },
});

if (Object.hasOwn(people, process.argv[2] ?? '')) await clientCommand();
else await runMain(penstock);
