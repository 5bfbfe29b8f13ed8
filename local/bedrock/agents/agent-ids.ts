import { BedrockError, violates } from '../wire/errors.ts';

// AWS makes ids of exactly ten; its API model says "at most ten, [0-9a-zA-Z]+", which no id that it gave is short of.
const ID = /^[0-9a-zA-Z]{10}$/;
// As in the API model (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_InvokeAgent.html).
const SESSION_ID = /^[0-9a-zA-Z._:-]{2,100}$/;
const MISSING = 'MISSING';

/** The ids in the path of InvokeAgent, decoded. */
export type AgentPath = { agentId: string; agentAliasId: string; sessionId: string };

/** What the statistics, faults, quotas and latencies of an agent are kept under: `agent:ABCDEFGHIJ`. */
export function agentKey(agentId: string): string {
  return `agent:${agentId}`;
}

/** The same for a knowledge base: `kb:ABCDEFGHIJ`. */
export function knowledgeBaseKey(knowledgeBaseId: string): string {
  return `kb:${knowledgeBaseId}`;
}

/**
 * Every id of ten letters and digits is known, but for those that begin with `MISSING`: ResourceNotFoundException.
 * Other forms: ValidationException, which names `member`.
 */
export function requireId(member: 'agentId' | 'agentAliasId' | 'knowledgeBaseId', id: string): void {
  if (!ID.test(id)) {
    throw violates(member, id, `Member must satisfy regular expression pattern: ${ID.source}`);
  }
  if (!id.startsWith(MISSING)) return;
  const what = member === 'knowledgeBaseId' ? 'Knowledge Base' : 'agent or agent alias';
  throw new BedrockError('ResourceNotFoundException', `The ${what} with the ID ${id} was not found.`);
}

export function requireSessionId(sessionId: string): void {
  if (SESSION_ID.test(sessionId)) return;
  throw violates('sessionId', sessionId, `Member must satisfy regular expression pattern: ${SESSION_ID.source}`);
}
