import type { Agents } from '../aws/agents.ts';
import type { ModelAnswer } from '../aws/bedrock.ts';
import { BedrockFailure } from '../aws/bedrock-failure.ts';
import { OutgoingError } from '../aws/outgoing-error.ts';
import type { OutgoingHttp } from '../aws/outgoing-http.ts';
import { agentInput, httpInput, retrieveInput } from '../core/branch-inputs.ts';
import type { JobItem } from '../state/job-item.ts';

/** The targets of a fan-out's branches that are no models. Throws BedrockFailure, or the abort's reason. */
export interface Targets {
  agents: Agents;
  outgoing: OutgoingHttp;
}

const noUsage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };
/** Of a data source's answer: as much as a model can read at all. */
const mostBytes = 1024 * 1024;
const httpTimeoutMs = 10_000;

/** Asks an agent, a knowledge base or a data source. Tokens are not told by any of them. */
export async function callTarget(
  targets: Targets,
  job: Pick<JobItem, 'pk' | 'model' | 'operation'>,
  input: Record<string, unknown>,
  signal: AbortSignal,
): Promise<ModelAnswer> {
  const output = await ask(targets, job, input, signal);
  return { output, usage: noUsage };
}

async function ask(
  { agents, outgoing }: Targets,
  job: Pick<JobItem, 'pk' | 'model' | 'operation'>,
  input: Record<string, unknown>,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  if (job.operation === 'invoke-agent')
    return await agents.invoke(
      job.model.slice('agent:'.length),
      needed(agentInput(input, job.pk), 'inputText'),
      signal,
    );
  if (job.operation === 'retrieve')
    return await agents.retrieve(job.model.slice('kb:'.length), needed(retrieveInput(input), 'retrievalQuery'), signal);
  return await askSource(outgoing, job.model, input, signal);
}

function needed<T>(input: T | undefined, field: string): T {
  if (input === undefined)
    throw new BedrockFailure({
      code: 'validation',
      message: `input.${field}: needed, or a message of the user`,
      callStarted: false,
    });
  return input;
}

/** One guarded request: redirects are not followed, private addresses are refused outside local mode. */
async function askSource(
  outgoing: OutgoingHttp,
  url: string,
  input: Record<string, unknown>,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  try {
    const answer = await outgoing.request(url, { ...httpInput(input), timeoutMs: httpTimeoutMs, mostBytes, signal });
    const text = answer.body.toString();
    if (answer.status === 429)
      throw new BedrockFailure({ code: 'throttled', message: `the data source answered 429`, callStarted: false });
    if (answer.status >= 500)
      throw new BedrockFailure({
        code: 'service_unavailable',
        message: `the data source answered ${answer.status}`,
        callStarted: true,
      });
    if (answer.status >= 400)
      throw new BedrockFailure({
        code: 'validation',
        message: `the data source answered ${answer.status}`,
        callStarted: true,
      });
    return { status: answer.status, contentType: answer.headers['content-type'] ?? '', body: parsed(text) };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof OutgoingError)) throw error;
    const passes = error.code === 'timed_out' || error.code === 'unreachable';
    throw new BedrockFailure(
      {
        code: passes ? 'connection_lost' : 'validation',
        message: `${error.code}: ${error.message}`,
        callStarted: passes,
      },
      error,
    );
  }
}

/** JSON as JSON, anything else as text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
