import { expect, test } from 'vitest';
import { chatCompletion } from './chat-completion.ts';
import { errorLine, type OutputContext, outputLine } from './output-line.ts';
import type { Step } from './pipeline.ts';
import type { RecordLine } from './record-line.ts';

const ask: Step = { name: 'ask', type: 'inference', model: 'nova', operation: 'converse' };
const grade: Step = { name: 'grade', type: 'inference', model: 'nova', operation: 'converse', dependsOn: ['ask'] };
const embed: Step = { name: 'embed', type: 'inference', model: 'titan', operation: 'invoke' };
const tidy: Step = { name: 'tidy', type: 'transform', dependsOn: ['ask'] };

const usage = { inputTokens: 3, outputTokens: 2, cacheReadInputTokens: 10, cacheWriteInputTokens: 1, totalTokens: 16 };
const converse = (text: string, stopReason = 'end_turn') => ({
  output: { message: { role: 'assistant', content: [{ text }] } },
  stopReason,
  usage,
  metrics: { latencyMs: 5 },
});

const context = (steps: Step[], leaves: string[]): OutputContext => ({
  batchId: 'bat_1f',
  steps,
  leaves,
  createdAtSeconds: 1_700_000_000,
});
const plain = (record: Record<string, unknown>, steps: Record<string, unknown>): RecordLine => ({
  n: 4,
  file: 0,
  line: 5,
  id: 'r5',
  shape: 'plain',
  record,
  steps,
});
const bedrock = (steps: Record<string, unknown>, record: unknown = { recordId: 'r5', modelInput: { a: 1 } }) => ({
  ...plain({}, steps),
  shape: 'bedrock' as const,
  record,
});
const openai = (steps: Record<string, unknown>) => ({
  ...plain({ custom_id: 'r5', method: 'POST', url: '/v1/chat/completions', body: { messages: [] } }, steps),
  shape: 'openai' as const,
});

test('a plain record with what each step answered', () => {
  const line = plain({ id: 'r5', x: 1 }, { ask: converse('{"good": true}'), embed: { embedding: [1] } });
  expect(outputLine(line, context([ask, embed], ['ask', 'embed']))).toEqual({
    id: 'r5',
    record: { id: 'r5', x: 1 },
    steps: {
      ask: { text: '{"good": true}', json: { good: true }, stopReason: 'end_turn', usage },
      embed: { body: { embedding: [1] } },
    },
  });
});

test('blocks that are no text are shown as they are', () => {
  const toolUse = { toolUseId: 't1', name: 'find', input: { q: 'x' } };
  const answer = { output: { message: { content: [{ text: 'I look' }, { toolUse }] } }, stopReason: 'tool_use' };
  expect(outputLine(plain({}, { ask: answer }), context([ask], ['ask']))).toMatchObject({
    steps: { ask: { text: 'I look', content: [{ toolUse }], stopReason: 'tool_use' } },
  });
});

test("a Bedrock record goes out as Bedrock's batch inference gives it", () => {
  const answer = { embedding: [1] };
  expect(outputLine(bedrock({ embed: answer }), context([embed], ['embed']))).toEqual({
    recordId: 'r5',
    modelInput: { a: 1 },
    modelOutput: answer,
  });
});

test('the answer is that of the last step; behind a transform the one before it', () => {
  const two = { ask: converse('a'), grade: converse('b') };
  expect(outputLine(bedrock(two), context([ask, grade], ['grade']))).toMatchObject({ modelOutput: converse('b') });
  expect(outputLine(bedrock({ ask: converse('a') }), context([ask, tidy], ['tidy']))).toMatchObject({
    modelOutput: converse('a'),
  });
});

test('a record is plain where no single answer is to show, or a map made another record of it', () => {
  const asPlain = { id: 'r5', record: expect.anything(), steps: expect.anything() };
  const two = { ask: converse('a'), embed: { e: 1 } };
  expect(outputLine(bedrock(two), context([ask, embed], ['ask', 'embed']))).toEqual(asPlain);
  expect(outputLine(bedrock({}), context([tidy], ['tidy']))).toEqual(asPlain);
  expect(outputLine(bedrock({ ask: converse('a') }, { short: true }), context([ask, tidy], ['tidy']))).toEqual(asPlain);
  expect(outputLine(bedrock({ ask: converse('a') }, 'a text'), context([ask, tidy], ['tidy']))).toEqual(asPlain);
});

test("an OpenAI record goes out as OpenAI's batch gives it", () => {
  expect(outputLine(openai({ ask: converse('hello') }), context([ask], ['ask']))).toEqual({
    id: 'batch_req_1f_4',
    custom_id: 'r5',
    response: {
      status_code: 200,
      request_id: 'req_1f_4',
      body: {
        id: 'chatcmpl_1f_4',
        object: 'chat.completion',
        created: 1_700_000_000,
        model: 'nova',
        choices: [
          {
            index: 0,
            message: { role: 'assistant', content: 'hello', refusal: null },
            logprobs: null,
            finish_reason: 'stop',
          },
        ],
        usage: {
          prompt_tokens: 14,
          completion_tokens: 2,
          total_tokens: 16,
          prompt_tokens_details: { cached_tokens: 10 },
        },
      },
    },
    error: null,
  });
  expect(outputLine(openai({ embed: { e: 1 } }), context([embed], ['embed']))).toMatchObject({
    response: { body: { e: 1 } },
  });
});

test('a completion that calls tools', () => {
  const toolUse = { toolUseId: 't1', name: 'find', input: { q: 'x' } };
  const answer = { output: { message: { content: [{ toolUse }] } }, stopReason: 'tool_use' };
  expect(chatCompletion(answer, { id: 'i', created: 1, model: 'm' })).toMatchObject({
    choices: [
      {
        finish_reason: 'tool_calls',
        message: {
          content: null,
          tool_calls: [{ id: 't1', type: 'function', function: { name: 'find', arguments: '{"q":"x"}' } }],
        },
      },
    ],
  });
});

test.each([
  ['max_tokens', 'length'],
  ['guardrail_intervened', 'content_filter'],
  ['constructor', 'stop'],
])('%s is %s', (stopReason, finish_reason) => {
  const completion = chatCompletion(converse('x', stopReason), { id: 'i', created: 1, model: 'm' });
  expect(completion).toMatchObject({ choices: [{ finish_reason }] });
});

test('lines of the errors', () => {
  const place = { n: 4, file: 0, line: 5, id: 'r5' };
  const failed = { step: 'ask', code: 'throttled', message: 'too much', retryable: true };
  expect(errorLine({ ...place, failed }, 's3://b/a.jsonl')).toEqual({
    file: 's3://b/a.jsonl',
    line: 5,
    recordId: 'r5',
    step: 'ask',
    code: 'throttled',
    message: 'too much',
  });
  expect(errorLine({ ...place, failed: { ...failed, step: 'input' } }, 's3://b/a')).not.toHaveProperty('step');
  expect(errorLine({ ...place, failed })).toEqual({
    recordId: 'r5',
    step: 'ask',
    code: 'throttled',
    message: 'too much',
  });
});
