import { hashPrompt } from '../call/stats.ts';
import { makeReply } from '../reply/reply.ts';
import { countTextTokens } from '../reply/tokens.ts';
import { invalid } from '../wire/errors.ts';

/** What every knowledge base finds for every query: more than two pages of the default size. */
export const PASSAGES_PER_QUERY = 12;
// The default chunk of a knowledge base has about 300 tokens; a quarter of it is enough to tell whose it is.
const PASSAGE_TOKENS = 80;
const BEST_SCORE = 0.95;
const SCORE_STEP = 0.05;

export type Passage = { text: string; uri: string; score: number };
export type PassagePage = { passages: Passage[]; nextToken: string | undefined };
export type PassageQuery = {
  seed: string;
  /** `kb:<id>`. */
  key: string;
  text: string;
  /** Passages on a page. */
  limit: number;
  nextToken: string | undefined;
};

/**
 * A page of what the knowledge base has for a query, best first: the same for the same seed, knowledge base and text.
 * Each passage names the knowledge base and quotes the query's first words. Throws ValidationException for a `nextToken`
 * that was not given for this query.
 */
export function findPassages(query: PassageQuery): PassagePage {
  const start = query.nextToken === undefined ? 0 : readToken(query, query.nextToken);
  const end = Math.min(start + query.limit, PASSAGES_PER_QUERY);
  const passages: Passage[] = [];
  for (let index = start; index < end; index += 1) passages.push(passageAt(query, index));
  return { passages, nextToken: end < PASSAGES_PER_QUERY ? writeToken(query, end) : undefined };
}

function passageAt({ seed, key, text }: PassageQuery, index: number): Passage {
  const reply = makeReply({
    seed: `${seed} passage ${index}`,
    modelId: key,
    prompt: text,
    inputTokens: countTextTokens(text),
    maxTokens: PASSAGE_TOKENS,
    stopSequences: [],
  });
  const bucket = key.replace(':', '-').toLowerCase();
  // Cents, so that 0.95 - 3 x 0.05 does not show as 0.7999999999999999.
  const score = Math.round((BEST_SCORE - index * SCORE_STEP) * 100) / 100;
  return { text: reply.text, uri: `s3://${bucket}/documents/${index + 1}.txt`, score };
}

function writeToken({ key, text }: PassageQuery, start: number): string {
  return Buffer.from(`${hashPrompt(`${key} ${text}`)}.${start}`).toString('base64url');
}

function readToken(query: PassageQuery, token: string): number {
  const start = Number(Buffer.from(token, 'base64url').toString('utf8').split('.')[1]);
  const isOurs = Number.isInteger(start) && start > 0 && start < PASSAGES_PER_QUERY;
  if (!isOurs || writeToken(query, start) !== token) throw invalid('The nextToken is not one of this query.');
  return start;
}
