import type { Operation } from './job.ts';

/**
 * `max_tokens` decides what a call reserves, and Bedrock takes the model's own maximum where a request names none: far
 * too much. So a lane's default is put in, where the body's form says how.
 */
export interface Bounded {
  /** The request as it goes out. */
  input: Record<string, unknown>;
  /** Output tokens that the call reserves at most. */
  maxTokens: number;
}

/** A request with its output bounded. Pure; the request itself is not changed. */
export function boundOutput(operation: Operation, input: Record<string, unknown>, defaultMaxTokens: number): Bounded {
  if (operation === 'converse') return withMember(input, 'inferenceConfig', ['maxTokens'], defaultMaxTokens);
  // Only invoke carries a model's own body; agents, data sources and asynchronous invocations reserve requests alone.
  if (operation !== 'invoke') return { input, maxTokens: 0 };
  if ('anthropic_version' in input) {
    const given = positive(input.max_tokens);
    return given === undefined
      ? { input: { ...input, max_tokens: defaultMaxTokens }, maxTokens: defaultMaxTokens }
      : { input, maxTokens: given };
  }
  // Nova's own body has the names of Converse, and older ones.
  if (Array.isArray(input.messages))
    return withMember(input, 'inferenceConfig', ['maxTokens', 'max_new_tokens'], defaultMaxTokens);
  const titan = positive(asObject(input.textGenerationConfig).maxTokenCount);
  // Embeddings and images make no output tokens; a form that we do not know is reserved as the lane says.
  if ('inputText' in input && titan === undefined && !('textGenerationConfig' in input)) return { input, maxTokens: 0 };
  if ('taskType' in input) return { input, maxTokens: 0 };
  return { input, maxTokens: titan ?? defaultMaxTokens };
}

function withMember(
  input: Record<string, unknown>,
  member: string,
  names: readonly string[],
  fallback: number,
): Bounded {
  const config = asObject(input[member]);
  const given = names.map((name) => positive(config[name])).find((value) => value !== undefined);
  if (given !== undefined) return { input, maxTokens: given };
  return { input: { ...input, [member]: { ...config, [names[0] as string]: fallback } }, maxTokens: fallback };
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? value : undefined;
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
