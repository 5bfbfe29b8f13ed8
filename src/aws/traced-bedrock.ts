import type { SpanAttributes, SpanOptions } from '../runtime/span.ts';
import { isTracing, withSpan } from '../runtime/tracing.ts';
import type { Bedrock, ModelAnswer } from './bedrock.ts';

/**
 * The same door with a span for each call, named by the conventions for generative AI
 * (https://opentelemetry.io/docs/specs/semconv/gen-ai/): which model, how many tokens, how it ended; nothing of what was
 * asked and answered. Without traces it is the door itself.
 */
export function tracedBedrock(bedrock: Bedrock): Bedrock {
  if (!isTracing()) return bedrock;
  return {
    converse: (model, input, options) => answering('chat', model, () => bedrock.converse(model, input, options)),
    invoke: (model, body, options) => answering('invoke_model', model, () => bedrock.invoke(model, body, options)),
    readAsync: (arn, options) => bedrock.readAsync(arn, options),
    converseStream(model, input, options) {
      const startedAt = performance.now();
      let firstSeconds: number | undefined;
      const onText = (text: string): void => {
        firstSeconds ??= (performance.now() - startedAt) / 1000;
        options.onText(text);
      };
      return answering(
        'chat',
        model,
        () => bedrock.converseStream(model, input, { ...options, onText }),
        () => (firstSeconds === undefined ? {} : { 'gen_ai.response.time_to_first_chunk': firstSeconds }),
      );
    },
    startAsync(model, body, options) {
      const operation = 'start_async_invoke';
      return withSpan(`${operation} ${model}`, callOf(operation, model), () =>
        bedrock.startAsync(model, body, options),
      );
    },
  };
}

function callOf(operation: string, model: string): SpanOptions {
  const attributes = {
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': 'aws.bedrock',
    'gen_ai.request.model': model,
  };
  return { kind: 'client', parent: 'active', attributes };
}

/** A call that gives an answer. */
async function answering(
  operation: string,
  model: string,
  call: () => Promise<ModelAnswer>,
  more: () => SpanAttributes = () => ({}),
): Promise<ModelAnswer> {
  return await withSpan(`${operation} ${model}`, callOf(operation, model), async (span) => {
    const answer = await call();
    span?.set({ ...answerOf(answer), ...more() });
    return answer;
  });
}

function answerOf({ usage, output }: ModelAnswer): SpanAttributes {
  const { stopReason } = output;
  return {
    'gen_ai.usage.input_tokens': usage.inputTokens,
    'gen_ai.usage.output_tokens': usage.outputTokens,
    'gen_ai.usage.cache_read.input_tokens': usage.cacheReadTokens,
    'gen_ai.usage.cache_creation.input_tokens': usage.cacheWriteTokens,
    ...(typeof stopReason === 'string' && { 'gen_ai.response.finish_reasons': [stopReason] }),
  };
}
