import type { EmulatorState } from '../emulator-state.ts';
import { BedrockError, invalid } from '../wire/errors.ts';
import type { CallPlan } from './call-plan.ts';
import { type FaultKind, takeFault } from './faults.ts';
import { findModel, type Model } from './model-settings.ts';
import { reserveCall, settleCall } from './quota.ts';
import { type CallEnd, countRefused, countStarted, countThrottled, hashPrompt } from './stats.ts';

const TOO_MANY_REQUESTS = 'Too many requests, please wait before trying again.';
const TOO_MANY_TOKENS = 'Too many tokens, please wait before trying again.';

/** A model call that has begun: it counts, and its tokens are reserved until `end`. */
export type ModelCall = {
  plan: CallPlan;
  model: Model;
  /** Different for every call, the same in every run with the same seed: what latencies are drawn from. */
  key: string;
  startedAtMs: number;
  /** The fault that the call meets on its way; undefined: none. */
  fault: FaultKind | undefined;
  /** What it is charged for at its end, whatever the end; whoever generates keeps it up to date. */
  outputTokens: number;
  /** Real usage of an upstream model, which then replaces the estimate. */
  inputTokens: number;
  /** Settles the quota and counts the end. Only the first call of it does anything. */
  end(how: CallEnd): void;
};

/** The model, or the ValidationException that Bedrock answers to an id that it does not know. */
export function requireModel(state: EmulatorState, modelId: string): Model {
  const model = findModel(state.models, modelId);
  if (model === undefined) throw invalid('The provided model identifier is invalid.');
  return model;
}

/**
 * Begins a call: asks the faults, then the quota. Throws ThrottlingException when over the quota, or the error of a
 * fault that refuses calls at the door; neither counts as started.
 */
export function beginCall(state: EmulatorState, plan: CallPlan): ModelCall {
  const model = requireModel(state, plan.modelId);
  const fault = takeFault(state.faults, plan.modelId, plan.streams);
  refuseAtDoor(state, plan, fault);
  const reserved = plan.inputTokens + plan.cacheReadTokens + plan.cacheWriteTokens + plan.maxTokens;
  const admission = reserveCall(model.books, model.limits, state.nowMs(), reserved);
  if (!admission.admitted) {
    countThrottled(state.stats, plan.modelId);
    throw new BedrockError('ThrottlingException', admission.over === 'requests' ? TOO_MANY_REQUESTS : TOO_MANY_TOKENS);
  }
  const promptHash = hashPrompt(plan.prompt);
  const counted = countStarted(state.stats, plan.modelId, promptHash);
  const call: ModelCall = {
    plan,
    model,
    key: `${state.seed} ${plan.modelId} ${promptHash} ${counted.occurrence}`,
    startedAtMs: state.nowMs(),
    fault,
    outputTokens: 0,
    inputTokens: plan.inputTokens,
    end: (how) => {
      if (!admission.reservation.open) return;
      const used = call.inputTokens + plan.cacheWriteTokens + call.outputTokens * model.burndown;
      settleCall(model.books, model.limits, state.nowMs(), admission.reservation, used);
      const input = call.inputTokens + plan.cacheReadTokens + plan.cacheWriteTokens;
      counted.end(how, input, call.outputTokens);
    },
  };
  return call;
}

function refuseAtDoor(state: EmulatorState, plan: CallPlan, fault: FaultKind | undefined): void {
  const error = fault && doorError(fault);
  if (!error) return;
  // What stands for a quota counts as throttled; the rest never got as far as a quota.
  if (['throttle', 'not-ready', 'quota'].includes(fault)) countThrottled(state.stats, plan.modelId);
  else countRefused(state.stats, plan.modelId);
  throw error;
}

function doorError(fault: FaultKind): BedrockError | undefined {
  switch (fault) {
    case 'throttle':
      return new BedrockError('ThrottlingException', TOO_MANY_REQUESTS);
    case 'not-ready':
      return new BedrockError('ModelNotReadyException', 'Model is not ready for inference. Please try again.');
    case 'quota':
      return new BedrockError('ServiceQuotaExceededException', 'Your account has exceeded a service quota.');
    case 'access-denied':
      return new BedrockError(
        'AccessDeniedException',
        "You don't have access to the model with the specified model ID.",
      );
    case 'validation':
      return invalid('The request is not valid, because a fault was asked for.');
    case 'expired-token':
      return new BedrockError('ExpiredTokenException', 'The security token included in the request is expired');
    default:
      return undefined;
  }
}
