import { createHash } from 'node:crypto';
import type { ModelCall } from '../call/model-call.ts';
import type { Reply } from '../reply/reply.ts';
import type { InvokeAnswer } from './model-body.ts';

/** What the family's bodies are written from. */
export function invokeAnswer(call: ModelCall, reply: Reply): InvokeAnswer {
  return { ...invokeStart(call), outputTokens: call.outputTokens, reply };
}

/** What of it is known before the first token. */
export function invokeStart(call: ModelCall): { modelId: string; callId: string; inputTokens: number } {
  const callId = createHash('sha256').update(call.key).digest('hex').slice(0, 24);
  return { modelId: call.plan.modelId, callId, inputTokens: call.inputTokens };
}
