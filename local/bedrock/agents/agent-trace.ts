import { createHash } from 'node:crypto';
import type { ModelCall } from '../call/model-call.ts';
import type { AgentPath } from './agent-ids.ts';

/** One question to an agent, as its traces tell it. */
export type AgentTurn = AgentPath & { call: ModelCall; nowMs: () => number };

/** Any alias here stands for the first version. */
const AGENT_VERSION = '1';

/** What the agent asked its model: the trace that comes before the answer. */
export function openingTrace(turn: AgentTurn): unknown {
  const { prompt } = turn.call.plan;
  return tracePart(turn, { modelInvocationInput: { traceId: traceId(turn), text: prompt, type: 'ORCHESTRATION' } });
}

/**
 * What its model answered, with the tokens that it took, and that this is the end: the traces that come with the answer
 * (https://docs.aws.amazon.com/bedrock/latest/userguide/trace-events.html).
 */
export function closingTraces(turn: AgentTurn, text: string): unknown[] {
  const usage = { inputTokens: turn.call.inputTokens, outputTokens: turn.call.outputTokens };
  return [
    tracePart(turn, {
      modelInvocationOutput: { traceId: traceId(turn), rawResponse: { content: text }, metadata: { usage } },
    }),
    tracePart(turn, { observation: { traceId: traceId(turn), type: 'FINISH', finalResponse: { text } } }),
  ];
}

function tracePart(turn: AgentTurn, orchestrationTrace: Record<string, unknown>): unknown {
  const { agentId, agentAliasId, sessionId, nowMs } = turn;
  return {
    agentId,
    agentAliasId,
    sessionId,
    agentVersion: AGENT_VERSION,
    eventTime: new Date(nowMs()).toISOString(),
    trace: { orchestrationTrace },
  };
}

function traceId(turn: AgentTurn): string {
  const hash = createHash('sha256').update(turn.call.key).digest('hex');
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-${hash.slice(12, 16)}-0`;
}
