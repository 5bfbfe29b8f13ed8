import { drawPieceTimes } from '../call/latency.ts';
import type { ModelCall } from '../call/model-call.ts';
import { makeReply, type Reply } from './reply.ts';
import { countTextTokens, splitByTokens } from './tokens.ts';
import { waitFor } from './wait-for.ts';

export type GenerateOptions = {
  seed: string;
  nowMs: () => number;
  signal: AbortSignal;
  stopSequences: readonly string[];
  /** Said instead of a reply to the prompt: a tool's input. */
  text?: string;
  /** Gets each piece when it is there; absent: the answer comes as a whole. */
  onPiece?: ((text: string) => void) | undefined;
};

const TOKENS_PER_PIECE = 5;
// A very long answer gets longer pieces: a timer and a frame each would cost more than they show.
const MOST_PIECES = 400;

/**
 * Makes the deterministic answer to a call, taking the model's time for it, and keeps `call.outputTokens` at what is
 * generated so far: an abort rejects with the signal's reason and leaves what the call is charged with.
 */
export async function generate(call: ModelCall, options: GenerateOptions): Promise<Reply> {
  const reply = replyTo(call, options);
  const tokensPerPiece = Math.max(TOKENS_PER_PIECE, Math.ceil(reply.outputTokens / MOST_PIECES));
  const texts = splitByTokens(reply.text, tokensPerPiece);
  const tokens = texts.map(countTextTokens);
  const times = drawPieceTimes(call.model.latency, call.key, tokens);
  if (options.onPiece) {
    await sayPieces(call, options, options.onPiece, texts, times);
  } else {
    await sayWhole(call, options, tokens, times);
  }
  call.outputTokens = reply.outputTokens;
  return reply;
}

/** Takes the time of a call whose answer has no text (an embedding, an image). */
export async function takeTime(call: ModelCall, nowMs: () => number, signal: AbortSignal): Promise<void> {
  const [atMs = 0] = drawPieceTimes(call.model.latency, call.key, [0]);
  await waitFor(call.startedAtMs + atMs - nowMs(), signal);
}

function replyTo(call: ModelCall, options: GenerateOptions): Reply {
  if (options.text !== undefined) {
    return { text: options.text, outputTokens: countTextTokens(options.text), stopReason: 'end_turn' };
  }
  const { modelId, prompt, maxTokens, inputTokens, cacheReadTokens, cacheWriteTokens } = call.plan;
  const allInputTokens = inputTokens + cacheReadTokens + cacheWriteTokens;
  const { seed, stopSequences } = options;
  return makeReply({ seed, modelId, prompt, inputTokens: allInputTokens, maxTokens, stopSequences });
}

async function sayPieces(
  call: ModelCall,
  options: GenerateOptions,
  onPiece: (text: string) => void,
  texts: readonly string[],
  times: readonly number[],
): Promise<void> {
  for (const [index, text] of texts.entries()) {
    await waitFor(call.startedAtMs + (times[index] ?? 0) - options.nowMs(), options.signal);
    onPiece(text);
    call.outputTokens += countTextTokens(text);
  }
}

async function sayWhole(
  call: ModelCall,
  options: GenerateOptions,
  tokens: readonly number[],
  times: readonly number[],
): Promise<void> {
  try {
    await waitFor(call.startedAtMs + (times.at(-1) ?? 0) - options.nowMs(), options.signal);
  } catch (error) {
    const passedMs = options.nowMs() - call.startedAtMs;
    call.outputTokens = tokens.reduce((sum, piece, index) => ((times[index] ?? 0) <= passedMs ? sum + piece : sum), 0);
    throw error;
  }
}
