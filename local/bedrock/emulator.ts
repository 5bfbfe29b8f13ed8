import { createAsyncInvokes } from './async-invoke/async-invoke-store.ts';
import { createS3Output } from './async-invoke/video-output.ts';
import { createFaultList } from './call/faults.ts';
import { createModelTable } from './call/model-settings.ts';
import { createPromptCache } from './call/prompt-cache.ts';
import { createStats } from './call/stats.ts';
import type { EmulatorState } from './emulator-state.ts';
import { route } from './router.ts';
import { createExchange } from './wire/exchange.ts';
import { listenDual } from './wire/listen-dual.ts';

/** Every field has a default: `startEmulator({ port: 0, latencyOff: true })` is what a test wants. */
export type EmulatorOptions = {
  /** Default 4568; 0 takes a free port. */
  port?: number | undefined;
  /** Default 127.0.0.1. */
  host?: string | undefined;
  /** What replies, latencies and the phase of fixed windows are drawn from. Default `penstock`. */
  seed?: string | undefined;
  /** No latency for models whose settings do not say otherwise. Default false. */
  latencyOff?: boolean | undefined;
  /** How long an asynchronous invocation takes. Default 3,000, with `latencyOff` 0. */
  asyncMs?: number | undefined;
  /** Base URL of an OpenAI-compatible server that answers Converse and ConverseStream. */
  upstreamUrl?: string | undefined;
  /** Model name for it. Default: the Bedrock id. */
  upstreamModel?: string | undefined;
  /** Where asynchronous invocations write; without it they fail. */
  s3Endpoint?: string | undefined;
  /** The clock of quotas and latencies, in ms since 1970; must not go back. */
  nowMs?: (() => number) | undefined;
};

export type RunningEmulator = {
  port: number;
  /** Ends every call and connection; resolves when the port is free. Safe to call twice. */
  stop(): Promise<void>;
};

const DEFAULT_PORT = 4568;
const DEFAULT_ASYNC_MS = 3_000;

/**
 * Starts an emulator of Bedrock runtime and of Bedrock agents' runtime, on one port. Rejects with the system's error where the port cannot be had (`EADDRINUSE`).
 */
export async function startEmulator(options: EmulatorOptions = {}): Promise<RunningEmulator> {
  const output = options.s3Endpoint === undefined ? undefined : createS3Output(options.s3Endpoint);
  const state: EmulatorState = {
    seed: options.seed ?? 'penstock',
    // Not Date.now(): the system's clock may be set back, and the books must not.
    nowMs: options.nowMs ?? (() => performance.timeOrigin + performance.now()),
    models: createModelTable(options.seed ?? 'penstock', options.latencyOff ?? false),
    faults: createFaultList(),
    stats: createStats(),
    promptCache: createPromptCache(),
    asyncInvokes: createAsyncInvokes(),
    asyncMs: options.asyncMs ?? (options.latencyOff ? 0 : DEFAULT_ASYNC_MS),
    writeOutput: output?.write,
    upstream:
      options.upstreamUrl === undefined ? undefined : { url: options.upstreamUrl, model: options.upstreamModel },
  };
  const listening = await listenDual(
    (request, response) => void route(state, createExchange(request, response)),
    options.host ?? '127.0.0.1',
    options.port ?? DEFAULT_PORT,
  );
  const stop = async () => {
    state.asyncInvokes.stopping.abort(new Error('the emulator stops'));
    await listening.stop();
    output?.close();
  };
  return { port: listening.port, stop };
}
