import { z } from 'zod';
import { runCall } from '../call/run-call.ts';
import type { EmulatorState } from '../emulator-state.ts';
import { readModelBody } from '../invoke/model-body.ts';
import { takeTime } from '../reply/generate.ts';
import { countTextTokens } from '../reply/tokens.ts';
import { invalid, violates } from '../wire/errors.ts';
import type { Exchange } from '../wire/exchange.ts';
import { sendAnswer } from '../wire/send-answer.ts';
import { speakAgentErrors } from './agent-errors.ts';
import { knowledgeBaseKey, requireId } from './agent-ids.ts';
import { findPassages, type Passage } from './passages.ts';

// All three as in the API model and the user guide.
const MOST_QUERY_CHARACTERS = 20_000;
const MOST_RESULTS = 100;
const DEFAULT_RESULTS = 5;

const retrieveBody = z.object({
  retrievalQuery: z.object({ text: z.string().nullish() }).nullish(),
  retrievalConfiguration: z
    .object({ vectorSearchConfiguration: z.object({ numberOfResults: z.int().nullish() }).nullish() })
    .nullish(),
  nextToken: z.string().nullish(),
});

/**
 * `POST /knowledgebases/{knowledgeBaseId}/retrieve`
 * (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Retrieve.html). Text queries only;
 * `numberOfResults` (default 5) is the size of a page, and `nextToken` leads to the rest. Filters are ignored.
 */
export async function retrieve(state: EmulatorState, exchange: Exchange, knowledgeBaseId: string): Promise<void> {
  requireId('knowledgeBaseId', knowledgeBaseId);
  const body = readModelBody(retrieveBody, await exchange.readJson());
  const text = readQueryText(body);
  const limit = readLimit(body);
  const key = knowledgeBaseKey(knowledgeBaseId);
  // Before the call begins: a wrong token must not count as one.
  const page = findPassages({ seed: state.seed, key, text, limit, nextToken: body.nextToken ?? undefined });
  const noTokens = { cacheReadTokens: 0, cacheWriteTokens: 0, maxTokens: 0 };
  const plan = { modelId: key, prompt: text, inputTokens: countTextTokens(text), ...noTokens, streams: false };
  await speakAgentErrors(() =>
    runCall(state, exchange, plan, async (call) => {
      await takeTime(call, state.nowMs, exchange.gone);
      return sendAnswer(exchange, call, { retrievalResults: page.passages.map(show), nextToken: page.nextToken });
    }),
  );
}

function readQueryText({ retrievalQuery }: z.infer<typeof retrieveBody>): string {
  if (!retrievalQuery) throw violates('retrievalQuery', null, 'Member must not be null');
  const { text } = retrievalQuery;
  if (!text) throw invalid('The retrievalQuery has no text; other queries than text are not emulated.');
  if (text.length > MOST_QUERY_CHARACTERS) {
    const constraint = `Member must have length less than or equal to ${MOST_QUERY_CHARACTERS}`;
    throw violates('retrievalQuery.text', '...', constraint);
  }
  return text;
}

function readLimit({ retrievalConfiguration }: z.infer<typeof retrieveBody>): number {
  const asked = retrievalConfiguration?.vectorSearchConfiguration?.numberOfResults ?? DEFAULT_RESULTS;
  if (asked >= 1 && asked <= MOST_RESULTS) return asked;
  const bound = asked < 1 ? 'greater than or equal to 1' : `less than or equal to ${MOST_RESULTS}`;
  const path = 'retrievalConfiguration.vectorSearchConfiguration.numberOfResults';
  throw violates(path, asked, `Member must have value ${bound}`);
}

function show({ text, uri, score }: Passage): unknown {
  return {
    content: { type: 'TEXT', text },
    location: { type: 'S3', s3Location: { uri } },
    score,
    metadata: { 'x-amz-bedrock-kb-source-uri': uri },
  };
}
