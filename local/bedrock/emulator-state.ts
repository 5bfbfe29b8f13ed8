import type { AsyncInvokes } from './async-invoke/async-invoke-store.ts';
import type { WriteOutput } from './async-invoke/video-output.ts';
import type { FaultList } from './call/faults.ts';
import type { ModelTable } from './call/model-settings.ts';
import type { PromptCache } from './call/prompt-cache.ts';
import type { Stats } from './call/stats.ts';
import type { Upstream } from './converse/upstream-server.ts';

/** All that one emulator knows; every handler gets it as its first argument. */
export type EmulatorState = {
  seed: string;
  /** Milliseconds since 1970 on a clock that never goes back. */
  nowMs: () => number;
  models: ModelTable;
  faults: FaultList;
  stats: Stats;
  promptCache: PromptCache;
  asyncInvokes: AsyncInvokes;
  /** How long an asynchronous invocation takes. */
  asyncMs: number;
  /** Where its output goes; undefined: nowhere, and it fails. */
  writeOutput: WriteOutput | undefined;
  /** Where text is really made; undefined: the deterministic reply. */
  upstream: Upstream | undefined;
};
