type Fault = {
  /** Left out: every model. */
  modelId?: string;
  kind:
    | 'throttle'
    | 'access-denied'
    | 'validation'
    | 'unavailable'
    | 'internal'
    | 'timeout'
    | 'hang'
    | 'cut-stream'
    | 'garbage';
  /** Share of the calls that it hits, 0 to 1; left out: all. */
  rate?: number;
  /** How many calls it hits before it is used up; left out: until cleared. */
  count?: number;
};

export type ModelSettings = {
  requestsPerMinute?: number;
  tokensPerMinute?: number;
  burndown?: number;
  window?: string;
  /** 0: answers at once. */
  latency?: { firstTokenMs: number; perTokenMs: number; spread: number } | 0;
};

type ModelStats = {
  started: number;
  finished: number;
  throttled: number;
  aborted: number;
  failed: number;
  peakConcurrency: number;
  inputTokens: number;
  outputTokens: number;
  /** Calls by the first 16 hex digits of the SHA-256 of the last user text. */
  prompts: Record<string, number>;
};

export type EmulatorControl = {
  stats(): Promise<Record<string, ModelStats>>;
  clearStats(): Promise<void>;
  /** Adds a fault; several work side by side. */
  setFault(fault: Fault): Promise<void>;
  clearFaults(): Promise<void>;
  setModel(modelId: string, settings: ModelSettings): Promise<void>;
  /** Back to the model's defaults. */
  resetModel(modelId: string): Promise<void>;
};

/** The test's hand on the Bedrock emulator at `url`. Each call rejects, with the answer, unless it is a 2xx. */
export function emulatorControl(url: string): EmulatorControl {
  const call = async (method: string, path: string, body?: unknown): Promise<string> => {
    const response = await fetch(`${url}/_emulator/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} /_emulator/${path}: ${response.status} ${text}`);
    return text;
  };
  const model = (modelId: string): string => `models/${encodeURIComponent(modelId)}`;
  return {
    stats: async () => (JSON.parse(await call('GET', 'stats')) as { models: Record<string, ModelStats> }).models,
    clearStats: async () => void (await call('DELETE', 'stats')),
    setFault: async (fault) => void (await call('PUT', 'faults', fault)),
    clearFaults: async () => void (await call('DELETE', 'faults')),
    setModel: async (modelId, settings) => void (await call('PUT', model(modelId), settings)),
    resetModel: async (modelId) => void (await call('DELETE', model(modelId))),
  };
}
