import { createHash } from 'node:crypto';
import {
  type BedrockRuntimeClient,
  ConverseCommand,
  type ConverseCommandInput,
  ConverseStreamCommand,
  type ConverseStreamCommandInput,
  type ConverseStreamOutput,
  CountTokensCommand,
} from '@aws-sdk/client-bedrock-runtime';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, CLAUDE, errorOf, startTestEmulator, type TestEmulator } from '../support/bedrock-emulator.ts';

let emulator: TestEmulator;
beforeAll(async () => {
  emulator = await startTestEmulator();
});
afterAll(() => emulator.stop());
beforeEach(async () => {
  await emulator.control('DELETE', 'stats');
});

async function streamed(client: BedrockRuntimeClient, input: ConverseStreamCommandInput) {
  const { stream } = await client.send(new ConverseStreamCommand(input));
  const events: ConverseStreamOutput[] = [];
  for await (const event of stream ?? []) events.push(event);
  return events;
}

const kindsOf = (events: ConverseStreamOutput[]) => events.map((event) => Object.keys(event)[0]);

describe.each(['http2', 'http1'] as const)('over %s', (version) => {
  const client = () => (version === 'http2' ? emulator.http2Client : emulator.http1Client);

  it('speaks that version', () => {
    expect(client().config.requestHandler.metadata?.handlerProtocol).toBe(version === 'http2' ? 'h2' : 'http/1.1');
  });

  it('converses', async () => {
    const answer = await client().send(new ConverseCommand(ask('What does a penstock do? [tokens=80]')));
    expect(answer).toMatchObject({
      output: { message: { role: 'assistant' } },
      stopReason: 'end_turn',
      usage: { inputTokens: 9, outputTokens: 80, totalTokens: 89 },
      metrics: { latencyMs: expect.any(Number) },
    });
    const text = answer.output?.message?.content?.[0]?.text;
    expect(text).toContain('What does a penstock do?');
    expect(text).toContain(CLAUDE);
    expect(answer.$metadata.requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('streams the same answer, event by event', async () => {
    const input = ask('What does a penstock do? [tokens=80]');
    const events = await streamed(client(), input);
    const deltas = Array(16).fill('contentBlockDelta');
    expect(kindsOf(events)).toEqual(['messageStart', ...deltas, 'contentBlockStop', 'messageStop', 'metadata']);
    const whole = await client().send(new ConverseCommand(input));
    expect(events.map((event) => event.contentBlockDelta?.delta?.text ?? '').join('')).toBe(
      whole.output?.message?.content?.[0]?.text,
    );
    expect(events.at(-2)?.messageStop?.stopReason).toBe('end_turn');
    expect(events.at(-1)?.metadata?.usage).toEqual(whole.usage);
  });
});

it('stops at maxTokens and at stop sequences', async () => {
  const cut = await emulator.http2Client.send(new ConverseCommand(ask('hello [tokens=50]', 20)));
  expect(cut).toMatchObject({ stopReason: 'max_tokens', usage: { outputTokens: 20 } });
  const input = ask('begin middle finish [tokens=50]');
  const stopped = await emulator.http2Client.send(
    new ConverseCommand({ ...input, inferenceConfig: { stopSequences: ['middle'] } }),
  );
  expect(stopped.stopReason).toBe('stop_sequence');
  expect(stopped.output?.message?.content?.[0]?.text).toMatch(/"begin $/);
});

it('uses the tool that it is forced to use, also in a stream', async () => {
  const input: ConverseCommandInput = {
    ...ask('weather in Bern'),
    toolConfig: {
      tools: [
        {
          toolSpec: {
            name: 'get_weather',
            inputSchema: { json: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } },
          },
        },
      ],
      toolChoice: { tool: { name: 'get_weather' } },
    },
  };
  const answer = await emulator.http2Client.send(new ConverseCommand(input));
  expect(answer.stopReason).toBe('tool_use');
  const toolUse = answer.output?.message?.content?.[0]?.toolUse;
  expect(toolUse).toMatchObject({ name: 'get_weather', input: { city: 'weather in Bern' } });

  const events = await streamed(emulator.http2Client, input);
  expect(kindsOf(events).slice(0, 2)).toEqual(['messageStart', 'contentBlockStart']);
  const json = events.map((event) => event.contentBlockDelta?.delta?.toolUse?.input ?? '').join('');
  expect(JSON.parse(json)).toEqual(toolUse?.input);
});

it('takes images, documents, system texts and cache points, and shows the cache in usage', async () => {
  const input: ConverseCommandInput = {
    modelId: CLAUDE,
    system: [{ text: 'You are terse. '.repeat(400) }, { cachePoint: { type: 'default' } }],
    messages: [
      {
        role: 'user',
        content: [
          { text: 'What is this?' },
          { image: { format: 'png', source: { bytes: Buffer.from('not looked at') } } },
        ],
      },
    ],
    inferenceConfig: { maxTokens: 10 },
  };
  const first = await emulator.http2Client.send(new ConverseCommand(input));
  expect(first.usage).toEqual({
    inputTokens: 1_504,
    outputTokens: 10,
    totalTokens: 3_014,
    cacheReadInputTokens: 0,
    cacheWriteInputTokens: 1_500,
  });
  const second = await emulator.http2Client.send(new ConverseCommand(input));
  expect(second.usage).toMatchObject({ cacheReadInputTokens: 1_500, cacheWriteInputTokens: 0, totalTokens: 3_014 });
});

it('counts tokens as usage does, for both kinds of input', async () => {
  const { messages } = ask('How many tokens is this, then?');
  const counted = await emulator.http2Client.send(
    new CountTokensCommand({ modelId: CLAUDE, input: { converse: { messages } } }),
  );
  const { usage } = await emulator.http2Client.send(new ConverseCommand(ask('How many tokens is this, then?')));
  expect(counted.inputTokens).toBe(usage?.inputTokens);
  const body = Buffer.from(
    JSON.stringify({
      anthropic_version: 'bedrock-2023-05-31',
      max_tokens: 10,
      messages: [{ role: 'user', content: 'How many tokens is this, then?' }],
    }),
  );
  const invoked = await emulator.http2Client.send(
    new CountTokensCommand({ modelId: CLAUDE, input: { invokeModel: { body } } }),
  );
  expect(invoked.inputTokens).toBe(counted.inputTokens);
});

it('knows a model by its ARN and with another geo prefix; counts it under the id as it was sent', async () => {
  const arn = `arn:aws:bedrock:us-east-1:123456789012:inference-profile/${CLAUDE}`;
  const eu = CLAUDE.replace('us.', 'eu.');
  for (const modelId of [arn, eu]) {
    await emulator.http2Client.send(new ConverseCommand(ask('hello', 20, modelId)));
    expect(await emulator.statsOf(modelId)).toMatchObject({ started: 1, finished: 1 });
  }
});

it('counts calls, tokens and prompts', async () => {
  await Promise.all(
    ['a', 'b', 'b'].map((text) => emulator.http2Client.send(new ConverseCommand(ask(`${text} [tokens=30]`)))),
  );
  const hash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);
  expect(await emulator.statsOf(CLAUDE)).toMatchObject({
    started: 3,
    finished: 3,
    inputTokens: 12,
    outputTokens: 90,
    prompts: { [hash('a [tokens=30]')]: 1, [hash('b [tokens=30]')]: 2 },
  });
});

describe('refuses as Bedrock does', () => {
  const broken = (change: Partial<ConverseCommandInput>) => ({ ...ask('hello'), ...change });
  const user = (...content: unknown[]) => ({ role: 'user', content });

  it.each([
    ['an unknown model', { modelId: 'nobody.knows-v1:0' }, 'The provided model identifier is invalid.'],
    ['a model that does not converse', { modelId: 'amazon.titan-embed-text-v2:0' }, "doesn't support the model"],
    ['no messages', { messages: undefined }, "Value null at 'messages'"],
    ['an empty list of messages', { messages: [] }, 'length greater than or equal to 1'],
    ['an assistant that begins', { messages: [{ role: 'assistant', content: [{ text: 'hi' }] }] }, 'start with a user'],
    ['two users in a row', { messages: [user({ text: 'a' }), user({ text: 'b' })] }, 'must alternate'],
    ['an unknown role', { messages: [{ role: 'system', content: [{ text: 'a' }] }] }, 'enum value set'],
    ['a message without content', { messages: [user()] }, 'messages.0 is empty'],
    ['blank text', { messages: [user({ text: ' ' })] }, 'messages.0.content.0 is blank'],
    ['maxTokens of 0', { inferenceConfig: { maxTokens: 0 } }, "Value '0' at 'inferenceConfig.maxTokens'"],
    ['maxTokens over the model', { inferenceConfig: { maxTokens: 64_001 } }, 'exceeds the model limit of 64000'],
    ['a temperature of 2', { inferenceConfig: { temperature: 2 } }, "'inferenceConfig.temperature'"],
  ])('%s', async (_, change, message) => {
    const input = broken(change as Partial<ConverseCommandInput>);
    const error = await errorOf(emulator.http2Client.send(new ConverseCommand(input)));
    expect(error).toMatchObject({ name: 'ValidationException', status: 400 });
    expect(error.message).toContain(message);
    expect(await emulator.statsOf(input.modelId ?? '')).toMatchObject({ started: 0, failed: 0 });
  });

  it.each([
    ['two members', { text: 'a', image: {} }, 'exactly one'],
    ['no known member', { sound: {} }, 'exactly one'],
    ['bytes that are not base64', { image: { format: 'png', source: { bytes: '%%%' } } }, 'not valid base64'],
  ])('a content block with %s', async (_, block, message) => {
    const response = await fetch(`${emulator.url}/model/${encodeURIComponent(CLAUDE)}/converse`, {
      method: 'POST',
      body: JSON.stringify({ messages: [{ role: 'user', content: [block] }] }),
    });
    expect(response.status).toBe(400);
    expect(response.headers.get('x-amzn-errortype')).toBe('ValidationException');
    expect(await response.text()).toContain(message);
  });
});
