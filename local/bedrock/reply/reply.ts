import { randomStream } from './seeded-random.ts';
import { countTextTokens, takeTokens } from './tokens.ts';

export type ReplyRequest = {
  seed: string;
  modelId: string;
  /** The last user text. */
  prompt: string;
  /** Input tokens of the whole request: longer prompts get longer answers. */
  inputTokens: number;
  maxTokens: number;
  stopSequences: readonly string[];
};

export type Reply = {
  text: string;
  outputTokens: number;
  /** As Converse names them. */
  stopReason: 'end_turn' | 'max_tokens' | 'stop_sequence';
  stopSequence?: string;
};

const QUOTED_WORDS = 12;
// A paragraph more or less; a short prompt's answer must still be long enough to stream in several chunks.
const BASE_TOKENS = 60;
const TOKENS_PER_INPUT_TOKEN = 0.5;
const MOST_DRAWN_TOKENS = 1_200;
/** `[tokens=300]` anywhere in the last user text asks for an answer of exactly 300 tokens (at most 200,000). */
const LENGTH_MARKER = /\[tokens=(\d{1,6})\]/;
const MOST_ASKED_TOKENS = 200_000;
const FILLER = (
  'water falls through the gate at the rate that the turbine can take ' +
  'and what is more waits behind it in the reservoir'
).split(' ');

/**
 * The answer to a prompt: the same for the same seed, model and prompt, in every process. It names the model and quotes
 * the first twelve words of the prompt, so that a test can tell whose answer it is; filler brings it to its length.
 */
export function makeReply(request: ReplyRequest): Reply {
  const random = randomStream(`reply ${request.seed} ${request.modelId} ${request.prompt}`);
  const quoted = request.prompt.trim().split(/\s+/).slice(0, QUOTED_WORDS).join(' ');
  const opening = `${request.modelId} on "${quoted}":`;
  const wanted = askedTokens(request.prompt) ?? countTextTokens(opening) + drawLength(random, request.inputTokens);
  const whole = takeTokens(fillUp(opening, wanted, random), wanted);
  return stopAtSequence(limitLength(whole, wanted, request.maxTokens), request.stopSequences);
}

function askedTokens(prompt: string): number | undefined {
  const asked = Number(LENGTH_MARKER.exec(prompt)?.[1] ?? Number.NaN);
  return Number.isNaN(asked) ? undefined : Math.min(Math.max(asked, 1), MOST_ASKED_TOKENS);
}

function drawLength(random: () => number, inputTokens: number): number {
  const typical = Math.min(BASE_TOKENS + inputTokens * TOKENS_PER_INPUT_TOKEN, MOST_DRAWN_TOKENS);
  return Math.ceil(typical * (0.5 + random()));
}

function fillUp(opening: string, tokens: number, random: () => number): string {
  const parts = [opening];
  let next = Math.floor(random() * FILLER.length);
  // Every word brings at least three characters with its space, and a token is four of them.
  for (let words = 0; words < tokens * 2; words += 1) {
    parts.push(FILLER[next % FILLER.length] ?? '');
    next += 1;
  }
  return `${parts.join(' ')}.`;
}

function limitLength(text: string, tokens: number, maxTokens: number): Reply {
  if (tokens <= maxTokens) return { text, outputTokens: tokens, stopReason: 'end_turn' };
  return { text: takeTokens(text, maxTokens), outputTokens: maxTokens, stopReason: 'max_tokens' };
}

/** Ends the answer before the first stop sequence in it; as with Claude, the sequence itself is not in the answer. */
function stopAtSequence(reply: Reply, stopSequences: readonly string[]): Reply {
  const found = stopSequences
    .map((stopSequence) => ({ stopSequence, at: reply.text.indexOf(stopSequence) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at)[0];
  if (found === undefined) return reply;
  const text = reply.text.slice(0, found.at);
  return {
    text,
    outputTokens: countTextTokens(text),
    stopReason: 'stop_sequence',
    stopSequence: found.stopSequence,
  };
}
