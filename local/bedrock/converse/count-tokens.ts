import { z } from 'zod';
import { requireModel } from '../call/model-call.ts';
import type { ModelFacts } from '../call/model-catalogue.ts';
import type { EmulatorState } from '../emulator-state.ts';
import { textBodiesOf } from '../invoke/family-bodies.ts';
import { readInvokeBody } from '../invoke/invoke.ts';
import { readModelBody } from '../invoke/model-body.ts';
import { invalid } from '../wire/errors.ts';
import type { Exchange } from '../wire/exchange.ts';
import { listPromptParts } from './converse-parts.ts';
import { checkConverseBody } from './converse-rules.ts';
import { readConverseBody } from './converse-shape.ts';

const countTokensBody = z.object({
  input: z.union([
    z.strictObject({ converse: z.record(z.string(), z.unknown()) }),
    z.strictObject({ invokeModel: z.object({ body: z.base64() }) }),
  ]),
});

/**
 * `POST /model/{modelId}/count-tokens`: what `usage.inputTokens` would say
 * (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html).
 * It is no model call: no fault, quota or statistic knows of it.
 */
export async function countTokens(state: EmulatorState, exchange: Exchange, modelId: string): Promise<void> {
  const { facts } = requireModel(state, modelId);
  const { input } = readModelBody(countTokensBody, await exchange.readJson());
  const inputTokens =
    'converse' in input ? countConverse(input.converse, facts) : countInvoke(input.invokeModel.body, facts);
  exchange.sendJson(200, { inputTokens });
}

function countConverse(json: unknown, facts: ModelFacts): number {
  const body = readConverseBody(json);
  checkConverseBody(body, facts.maxOutputTokens);
  return listPromptParts(body).reduce((sum, part) => sum + part.tokens, 0);
}

function countInvoke(base64: string, facts: ModelFacts): number {
  const bodies = textBodiesOf(facts.family);
  if (!bodies) throw invalid("The provided model doesn't support counting tokens.");
  return bodies.read(readInvokeBody(Buffer.from(base64, 'base64')), facts).inputTokens;
}
