/** What is known of a model call before it begins: what the quota reserves for it, and what the stats file it under. */
export type CallPlan = {
  /** As the client wrote it, decoded. */
  modelId: string;
  /** The last user text; empty where there is none. */
  prompt: string;
  /** Without what a cache point reads or writes. */
  inputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
  maxTokens: number;
  /** Whether the answer is an event stream. */
  streams: boolean;
};
