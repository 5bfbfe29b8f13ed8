import { vi } from 'vitest';
import { type EmulatorOptions, startEmulator } from '../../local/bedrock/emulator.ts';
import { isFinal } from '../../src/core/job.ts';
import { type Lanes, lanesFileSchema, toLanes } from '../../src/core/lanes.ts';
import { readConfig } from '../../src/runtime/config.ts';
import { readLimits } from '../../src/runtime/config-files.ts';
import { createMetrics, type Metrics } from '../../src/runtime/metrics.ts';
import type { Stop } from '../../src/runtime/process-deps.ts';
import type { JobItem } from '../../src/state/job-item.ts';
import { readJob, readParts } from '../../src/state/read-job.ts';
import { startWorker } from '../../src/workers/worker-mode.ts';
import { type EmulatorControl, emulatorControl } from './emulator-control.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';
import { type StateStores, startStateStores } from './state-stores.ts';

export type RunningWorker = {
  opsUrl: string;
  metrics: Metrics;
  stop: Stop;
  /** What `/ready` says is missing; empty when it is ready. */
  missing(): Promise<Record<string, string>>;
};

export type WorkerRig = {
  stores: StateStores;
  /** Of the emulator; undefined where the rig has another Bedrock. */
  emulator: EmulatorControl;
  lanes: Lanes;
  /** Starts a worker in this process, and waits until it is ready. It is stopped with the rig. */
  startWorker(env?: NodeJS.ProcessEnv): Promise<RunningWorker>;
  /** Waits until the job is final. */
  final(jobId: string): Promise<JobItem>;
  /** Waits until the job's record is as `is` says. */
  until(jobId: string, is: (job: JobItem) => boolean, what: string): Promise<JobItem>;
  /** The output of a finished job, parsed. */
  output(job: JobItem): Promise<unknown>;
  /** Puts the clock of this process forward: leases, deadlines and hidden messages end, timers do not. */
  jump(ms: number): void;
  /**
   * Puts the clock forward again and again until `check` gives something: for what waits for an end of its own, when that
   * wait may just be about to begin.
   */
  jumpUntil<T>(ms: number, check: () => Promise<T | undefined>, what: string): Promise<T>;
  stop(): Promise<void>;
};

const waitMs = 20_000;
const betweenJumpsMs = 1_500;
const mostJumps = 20;

export type RigOptions = {
  lanes: { lanes: Record<string, object> };
  emulator?: EmulatorOptions;
  /** Another Bedrock in the emulator's place: its URL. */
  bedrockUrl?: string;
};

/**
 * The worker mode in this process, on real stores and the Bedrock emulator. Times that only keep retries apart are made
 * nothing: jitter is drawn close to 0, and `jump` puts the clock forward. Leases are short, so that cancels come fast.
 * One rig in a test file, started before anything else.
 */
export async function startWorkerRig(options: RigOptions): Promise<WorkerRig> {
  vi.useFakeTimers({ toFake: ['Date'], shouldAdvanceTime: true });
  const random = Math.random;
  // Never twice the same: libraries make ids of it.
  const almostNothing = vi.spyOn(Math, 'random').mockImplementation(() => random() / 1e6);
  const stores = await startStateStores({ PENSTOCK_LEASE_SECONDS: '4', PENSTOCK_LEASE_RENEW_SECONDS: '1' });
  const s3Endpoint = stores.env.AWS_ENDPOINT_URL;
  const emulator = await startEmulator({ port: 0, latencyOff: true, s3Endpoint, ...options.emulator });
  const emulatorUrl = `http://127.0.0.1:${emulator.port}`;
  process.env.AWS_ENDPOINT_URL_BEDROCK_RUNTIME = options.bedrockUrl ?? emulatorUrl;
  const state = { ...stores.state, now: Date.now };
  const lanes = toLanes(lanesFileSchema.parse(options.lanes));
  const workers: RunningWorker[] = [];

  const until: WorkerRig['until'] = (jobId, is, what) =>
    eventually(
      async () => {
        const job = await readJob(state, jobId);
        if (job === undefined || !is(job)) throw new Error(JSON.stringify(job));
        return job;
      },
      { timeoutMs: waitMs, what },
    );

  const jump = (ms: number): void => void vi.setSystemTime(Date.now() + ms);
  return {
    stores: { ...stores, state, lanes },
    emulator: emulatorControl(emulatorUrl),
    lanes,
    async startWorker(env = {}) {
      const opsPort = await freePort();
      const config = readConfig({ ...stores.env, PENSTOCK_OPS_PORT: String(opsPort), ...env });
      const metrics = createMetrics();
      const stop = await startWorker({
        config,
        lanes,
        limits: readLimits(config.configDir),
        stopping: new AbortController().signal,
        logger: stores.logger,
        metrics,
      });
      const opsUrl = `http://127.0.0.1:${opsPort}`;
      const worker = { opsUrl, metrics, stop: once(stop), missing: () => missingOf(opsUrl) };
      workers.push(worker);
      return worker;
    },
    final: (jobId) => until(jobId, (job) => isFinal(job.status), 'the job is final'),
    until,
    async output(job) {
      const { output } = await readParts(state, job);
      return output !== undefined && 'text' in output ? JSON.parse(output.text) : undefined;
    },
    jump,
    async jumpUntil(ms, check, what) {
      let last: unknown;
      for (let jumps = 0; jumps < mostJumps; jumps += 1) {
        jump(ms);
        const seen = await eventually(check, { timeoutMs: betweenJumpsMs, what }).catch((error: unknown) => {
          last = error;
        });
        if (seen !== undefined) return seen as never;
      }
      throw last;
    },
    async stop() {
      await Promise.all(workers.map(({ stop }) => stop()));
      await emulator.stop();
      await stores.stop();
      almostNothing.mockRestore();
      vi.useRealTimers();
    },
  };
}

async function missingOf(opsUrl: string): Promise<Record<string, string>> {
  const answer = (await (await fetch(`${opsUrl}/ready`)).json()) as { missing?: Record<string, string> };
  return answer.missing ?? {};
}

function once(stop: Stop): Stop {
  let stopped: Promise<void> | undefined;
  return () => {
    stopped ??= stop();
    return stopped;
  };
}
