import type { ModelCall } from '../call/model-call.ts';
import { countTextTokens } from '../reply/tokens.ts';
import { BedrockError } from '../wire/errors.ts';
import { readServerEvents } from '../wire/server-events.ts';
import { textOf } from './converse-parts.ts';
import type { ConverseRequest } from './converse-request.ts';
import type { Upstream } from './upstream-server.ts';

export type UpstreamReply = { text: string; stopReason: string };

type Completion = {
  choices?: {
    message?: { content?: string | null };
    delta?: { content?: string | null };
    finish_reason?: string | null;
  }[];
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null;
};

/**
 * Has the upstream answer a Converse request's text (other content is left out), streamed where `onPiece` is given.
 * Puts real token counts on the call where the upstream reports them, estimates where not. Rejects with
 * ThrottlingException for its 429, ValidationException for its 400, ServiceUnavailableException for its 503 or when it
 * cannot be reached, ModelErrorException for all else, and with the signal's reason when `signal` is aborted.
 */
export async function askUpstream(
  upstream: Upstream,
  call: ModelCall,
  request: ConverseRequest,
  signal: AbortSignal,
  onPiece?: (text: string) => void,
): Promise<UpstreamReply> {
  const response = await post(upstream, completionRequest(upstream, request, onPiece !== undefined), signal);
  const collected = { text: '', finishReason: 'stop' };
  const take = (completion: Completion) => {
    const [choice] = completion.choices ?? [];
    const text = choice?.delta?.content ?? choice?.message?.content ?? '';
    if (choice?.finish_reason) collected.finishReason = choice.finish_reason;
    if (text !== '') {
      collected.text += text;
      call.outputTokens = countTextTokens(collected.text);
      onPiece?.(text);
    }
    call.inputTokens = completion.usage?.prompt_tokens ?? call.inputTokens;
    call.outputTokens = completion.usage?.completion_tokens ?? call.outputTokens;
  };
  if (onPiece && response.body) {
    for await (const data of readServerEvents(unbroken(response.body, signal))) take(parseCompletion(data));
  } else {
    take(parseCompletion(await response.text().catch((cause) => throwBroken(cause, signal))));
  }
  return { text: collected.text, stopReason: stopReasonOf(collected.finishReason) };
}

function completionRequest(upstream: Upstream, request: ConverseRequest, streams: boolean): Record<string, unknown> {
  const { body, plan, stopSequences } = request;
  const system = (body.system ?? []).flatMap((block) => block.text ?? []).join('\n');
  const messages = (body.messages ?? []).map(({ role, content }) => ({ role, content: textOf(content) }));
  return {
    model: upstream.model ?? plan.modelId,
    messages: system === '' ? messages : [{ role: 'system', content: system }, ...messages],
    stream: streams,
    ...(streams && { stream_options: { include_usage: true } }),
    ...(body.inferenceConfig?.maxTokens != null && { max_tokens: body.inferenceConfig.maxTokens }),
    ...(body.inferenceConfig?.temperature != null && { temperature: body.inferenceConfig.temperature }),
    ...(body.inferenceConfig?.topP != null && { top_p: body.inferenceConfig.topP }),
    ...(stopSequences.length > 0 && { stop: stopSequences }),
  };
}

async function post(upstream: Upstream, body: unknown, signal: AbortSignal): Promise<Response> {
  const response = await fetch(`${upstream.url.replace(/\/$/, '')}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal,
  }).catch((cause: unknown) => {
    if (signal.aborted) throw signal.reason;
    throw new BedrockError('ServiceUnavailableException', `The upstream model cannot be reached: ${String(cause)}`);
  });
  if (response.ok) return response;
  const message = `The upstream model answered ${response.status}: ${(await response.text()).slice(0, 500)}`;
  if (response.status === 429) throw new BedrockError('ThrottlingException', message);
  if (response.status === 400) throw new BedrockError('ValidationException', message);
  if (response.status === 503) throw new BedrockError('ServiceUnavailableException', message);
  throw new BedrockError('ModelErrorException', message, { originalStatusCode: response.status });
}

/** The bytes of `body`, where breaking off is an error of the model. */
async function* unbroken(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    throwBroken(cause, signal);
  }
}

function throwBroken(cause: unknown, signal: AbortSignal): never {
  if (signal.aborted) throw signal.reason;
  throw new BedrockError('ModelErrorException', `The upstream model's answer broke off: ${String(cause)}`, {
    originalStatusCode: 200,
  });
}

function parseCompletion(text: string): Completion {
  try {
    return JSON.parse(text);
  } catch {
    throw new BedrockError('ModelErrorException', 'The upstream model answered with something that is not JSON.', {
      originalStatusCode: 200,
    });
  }
}

function stopReasonOf(finishReason: string): string {
  switch (finishReason) {
    case 'length':
      return 'max_tokens';
    case 'tool_calls':
      return 'tool_use';
    case 'content_filter':
      return 'content_filtered';
    default:
      return 'end_turn';
  }
}
