import type { EmulatorState } from '../emulator-state.ts';
import { decodeSegment, type Exchange } from '../wire/exchange.ts';
import { invokeAgent } from './invoke-agent.ts';
import { retrieve } from './retrieve.ts';

const AGENT = /^\/agents\/(?<agent>[^/]+)\/agentAliases\/(?<alias>[^/]+)\/sessions\/(?<session>[^/]+)\/text$/;
const KNOWLEDGE_BASE = /^\/knowledgebases\/(?<id>[^/]+)\/retrieve$/;

/**
 * Answers the operations of the agents' runtime, which is a service of its own on AWS and shares the port here; undefined
 * where the request is none of them.
 */
export function routeAgents(state: EmulatorState, exchange: Exchange): Promise<void> | undefined {
  if (exchange.method !== 'POST') return undefined;
  const { agent, alias, session } = AGENT.exec(exchange.path)?.groups ?? {};
  if (agent !== undefined && alias !== undefined && session !== undefined) {
    const [agentId, agentAliasId, sessionId] = [decodeSegment(agent), decodeSegment(alias), decodeSegment(session)];
    return invokeAgent(state, exchange, { agentId, agentAliasId, sessionId });
  }
  const id = KNOWLEDGE_BASE.exec(exchange.path)?.groups?.id;
  return id === undefined ? undefined : retrieve(state, exchange, decodeSegment(id));
}
