import {
  type BedrockRuntimeClient,
  ConverseCommand,
  type ConverseCommandInput,
  ConverseStreamCommand,
  GetAsyncInvokeCommand,
  InvokeModelCommand,
  StartAsyncInvokeCommand,
  type TokenUsage,
} from '@aws-sdk/client-bedrock-runtime';
import type { Usage } from '../core/job.ts';
import { assembleStream } from './assemble-stream.ts';
import { BedrockFailure, toBedrockFailure } from './bedrock-failure.ts';
import { toConverseInput, toJson } from './bedrock-shapes.ts';

/** What the model answered: `output` as JSON (bytes in base64), and what it took. */
export interface ModelAnswer {
  output: Record<string, unknown>;
  usage: Usage;
}

interface CallOptions {
  signal: AbortSignal;
}

export type AsyncState =
  | { status: 'in-progress' }
  | { status: 'completed'; output: Record<string, unknown> }
  | { status: 'failed'; message: string };

/**
 * Model calls. All methods throw BedrockFailure (see the table of outcomes), or the abort's reason when `signal` aborts.
 * Not safe to run twice: each call is paid. `startAsync` is, under the same token.
 */
export interface Bedrock {
  /** `input` as on our wire: the Converse request without `modelId`. */
  converse(model: string, input: Record<string, unknown>, options: CallOptions): Promise<ModelAnswer>;
  /** The same by ConverseStream; `onText` gets the text as it is made. */
  converseStream(
    model: string,
    input: Record<string, unknown>,
    options: CallOptions & { onText: (text: string) => void },
  ): Promise<ModelAnswer>;
  /** The body of the model itself. */
  invoke(model: string, body: Record<string, unknown>, options: CallOptions): Promise<ModelAnswer>;
  /** Starts an invocation that writes to `s3Uri`; gives its ARN. */
  startAsync(
    model: string,
    body: Record<string, unknown>,
    options: CallOptions & { token: string; s3Uri: string },
  ): Promise<string>;
  readAsync(arn: string, options: CallOptions): Promise<AsyncState>;
}

/** The door to Bedrock. The client must not retry by itself. */
export function createBedrock(client: BedrockRuntimeClient): Bedrock {
  return {
    async converse(model, input, { signal }) {
      const command = new ConverseCommand(converseInput(model, input));
      const { $metadata, ...answer } = await guarded(signal, () => client.send(command, { abortSignal: signal }));
      if (answer.output?.message === undefined || answer.usage === undefined)
        throw new BedrockFailure({
          code: 'invalid_answer',
          message: 'the answer has no message or no usage',
          callStarted: true,
        });
      return { output: toJson(answer) as Record<string, unknown>, usage: toUsage(answer.usage) };
    },

    async converseStream(model, input, { signal, onText }) {
      const command = new ConverseStreamCommand(converseInput(model, input));
      const { stream } = await guarded(signal, () => client.send(command, { abortSignal: signal }));
      if (stream === undefined)
        throw new BedrockFailure({ code: 'invalid_answer', message: 'the answer has no stream', callStarted: true });
      const answer = await guarded(signal, () => assembleStream(stream, onText), true);
      return { output: toJson(answer) as Record<string, unknown>, usage: toUsage(answer.usage) };
    },

    async invoke(model, body, { signal }) {
      const command = new InvokeModelCommand({
        modelId: model,
        body: Buffer.from(JSON.stringify(body)),
        contentType: 'application/json',
        accept: 'application/json',
      });
      const headers: Record<string, string> = {};
      keepHeaders(command, headers);
      const answer = await guarded(signal, () => client.send(command, { abortSignal: signal }));
      const output = await guarded(signal, async () => parseBody(answer.body.transformToString()), true);
      return { output, usage: usageOfInvoke(headers, output) };
    },

    async startAsync(model, body, { signal, token, s3Uri }) {
      const command = new StartAsyncInvokeCommand({
        modelId: model,
        modelInput: body as never,
        clientRequestToken: token,
        outputDataConfig: { s3OutputDataConfig: { s3Uri } },
      });
      const answer = await guarded(signal, () => client.send(command, { abortSignal: signal }));
      return answer.invocationArn as string;
    },

    async readAsync(arn, { signal }) {
      const command = new GetAsyncInvokeCommand({ invocationArn: arn });
      const answer = await guarded(signal, () => client.send(command, { abortSignal: signal }));
      if (answer.status === 'Completed')
        return { status: 'completed', output: toJson(answer) as Record<string, unknown> };
      if (answer.status === 'Failed')
        return { status: 'failed', message: answer.failureMessage ?? 'the invocation failed' };
      return { status: 'in-progress' };
    },
  };
}

/** Runs one call; an abort is thrown as its reason, everything else as BedrockFailure. */
async function guarded<T>(signal: AbortSignal, call: () => Promise<T>, answering = false): Promise<T> {
  signal.throwIfAborted();
  try {
    return await call();
  } catch (error) {
    // After an abort the SDK's error may be of any kind (a stream just ends): the reason is the truth.
    signal.throwIfAborted();
    throw toBedrockFailure(error, answering);
  }
}

function converseInput(model: string, input: Record<string, unknown>): ConverseCommandInput {
  const { value, problems } = toConverseInput(input, 'input');
  const first = problems[0];
  if (first !== undefined)
    throw new BedrockFailure({ code: 'validation', message: `${first.path}: ${first.message}`, callStarted: false });
  return { ...value, modelId: model };
}

function parseBody(text: string): Record<string, unknown> {
  const body: unknown = JSON.parse(text);
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new SyntaxError('the answer is not a JSON object');
  return body as Record<string, unknown>;
}

function toUsage(usage: TokenUsage | undefined): Usage {
  return {
    inputTokens: usage?.inputTokens ?? 0,
    outputTokens: usage?.outputTokens ?? 0,
    cacheReadTokens: usage?.cacheReadInputTokens ?? 0,
    cacheWriteTokens: usage?.cacheWriteInputTokens ?? 0,
  };
}

interface HeaderKeeper {
  middlewareStack: {
    add(
      middleware: (next: (args: unknown) => Promise<{ response: unknown }>) => (args: unknown) => Promise<unknown>,
      options: { step: 'deserialize'; name: string },
    ): void;
  };
}

/** InvokeModel's token counts come in headers, which the SDK's answer leaves out. */
function keepHeaders(command: unknown, into: Record<string, string>): void {
  (command as HeaderKeeper).middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      Object.assign(into, (result.response as { headers?: Record<string, string> }).headers);
      return result;
    },
    { step: 'deserialize', name: 'keepHeaders' },
  );
}

/** Bedrock's own headers; where they are missing, the usage that the model families put into their bodies. */
function usageOfInvoke(headers: Record<string, string>, body: Record<string, unknown>): Usage {
  const own = (typeof body.usage === 'object' && body.usage !== null ? body.usage : body) as Record<string, unknown>;
  const pick = (header: string, ...names: string[]): number => {
    const value = headers[header] ?? names.map((name) => own[name]).find((candidate) => candidate !== undefined);
    return Number.isFinite(Number(value)) ? Number(value ?? 0) : 0;
  };
  return {
    inputTokens: pick('x-amzn-bedrock-input-token-count', 'input_tokens', 'inputTokens', 'inputTextTokenCount'),
    outputTokens: pick('x-amzn-bedrock-output-token-count', 'output_tokens', 'outputTokens'),
    cacheReadTokens: pick(
      'x-amzn-bedrock-cache-read-input-token-count',
      'cache_read_input_tokens',
      'cacheReadInputTokenCount',
    ),
    cacheWriteTokens: pick(
      'x-amzn-bedrock-cache-write-input-token-count',
      'cache_creation_input_tokens',
      'cacheWriteInputTokenCount',
    ),
  };
}
