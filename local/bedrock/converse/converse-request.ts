import type { CallPlan } from '../call/call-plan.ts';
import { requireModel } from '../call/model-call.ts';
import { isTextFamily } from '../call/model-catalogue.ts';
import { applyPromptCache } from '../call/prompt-cache.ts';
import type { EmulatorState } from '../emulator-state.ts';
import { invalid } from '../wire/errors.ts';
import { lastUserText, listPromptParts } from './converse-parts.ts';
import { checkConverseBody } from './converse-rules.ts';
import { type ConverseBody, readConverseBody, type ToolSpec } from './converse-shape.ts';

/** A Converse request that was found to be in order. */
export type ConverseRequest = {
  plan: CallPlan;
  body: ConverseBody;
  stopSequences: string[];
  /** The tool that `toolChoice` makes the model use; undefined: it answers in text. */
  forcedTool: ToolSpec | undefined;
  /** Books the prompt cache; call it when the call was admitted. */
  rememberPrompt: () => void;
};

/**
 * Reads and checks the body of Converse or ConverseStream. Throws SerializationException for wrong types and
 * ValidationException for an unknown model, one that does not converse, or a broken rule.
 */
export function readConverseRequest(
  state: EmulatorState,
  modelId: string,
  json: unknown,
  streams: boolean,
): ConverseRequest {
  const { facts } = requireModel(state, modelId);
  const body = readConverseBody(json);
  if (!isTextFamily(facts.family)) {
    throw invalid(
      "This action doesn't support the model that you provided. Try again with a supported text or chat model.",
    );
  }
  checkConverseBody(body, facts.maxOutputTokens);
  const cached = applyPromptCache(state.promptCache, state.nowMs(), modelId, listPromptParts(body));
  return {
    plan: {
      modelId,
      prompt: lastUserText(body),
      ...cached.tokens,
      maxTokens: body.inferenceConfig?.maxTokens ?? facts.maxOutputTokens,
      streams,
    },
    body,
    stopSequences: body.inferenceConfig?.stopSequences ?? [],
    forcedTool: findForcedTool(body),
    rememberPrompt: cached.remember,
  };
}

function findForcedTool(body: ConverseBody): ToolSpec | undefined {
  const { tools = [], toolChoice } = body.toolConfig ?? {};
  const specs = tools.flatMap((tool) => tool.toolSpec ?? []);
  if (toolChoice?.any) return specs[0];
  const name = toolChoice?.tool?.name;
  if (name === undefined) return undefined;
  const named = specs.find((spec) => spec.name === name);
  if (!named) throw invalid(`The tool ${name} in toolChoice is not one of the tools in toolConfig.`);
  return named;
}
