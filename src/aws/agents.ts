import {
  type BedrockAgentRuntimeClient,
  InvokeAgentCommand,
  RetrieveCommand,
} from '@aws-sdk/client-bedrock-agent-runtime';
import { BedrockFailure, toBedrockFailure } from './bedrock-failure.ts';
import { toJson } from './bedrock-shapes.ts';

/** Agents and knowledge bases of Bedrock: branches of a fan-out that are no models. Throws BedrockFailure, or the abort's reason. */
export interface Agents {
  /** @param target `<agentId>/<aliasId>`. Gives `{completion, sessionId}` */
  invoke(
    target: string,
    input: { inputText: string; sessionId: string },
    signal: AbortSignal,
  ): Promise<Record<string, unknown>>;
  /** Gives `{retrievalResults, nextToken?}` as AWS answers. */
  retrieve(
    knowledgeBaseId: string,
    input: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<Record<string, unknown>>;
}

/** The door to Bedrock's agents. The client must not retry by itself: the queue does. */
export function createAgents(client: BedrockAgentRuntimeClient): Agents {
  return {
    async invoke(target, { inputText, sessionId }, signal) {
      const [agentId, agentAliasId] = target.split('/');
      const command = new InvokeAgentCommand({ agentId, agentAliasId, sessionId, inputText });
      return await guarded(signal, async () => {
        const { completion } = await client.send(command, { abortSignal: signal });
        const chunks: Uint8Array[] = [];
        for await (const { chunk } of completion ?? []) if (chunk?.bytes !== undefined) chunks.push(chunk.bytes);
        if (chunks.length === 0)
          throw new BedrockFailure({ code: 'stream_cut', message: 'the agent said nothing', callStarted: true });
        return { completion: Buffer.concat(chunks).toString(), sessionId };
      });
    },
    async retrieve(knowledgeBaseId, input, signal) {
      const command = new RetrieveCommand({ ...input, knowledgeBaseId } as ConstructorParameters<
        typeof RetrieveCommand
      >[0]);
      return await guarded(
        signal,
        async () => toJson(await client.send(command, { abortSignal: signal })) as Record<string, unknown>,
      );
    },
  };
}

async function guarded<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  try {
    return await call();
  } catch (error) {
    signal.throwIfAborted();
    throw toBedrockFailure(error, false);
  }
}
