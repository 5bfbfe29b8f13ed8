import { describe, expect, test } from 'vitest';
import { boundOutput } from './reservation.ts';

const messages = [{ role: 'user', content: [{ text: 'hi' }] }];

describe('converse', () => {
  test('a request that says how much is left as it is', () => {
    const input = { messages, inferenceConfig: { maxTokens: 77, temperature: 0 } };
    expect(boundOutput('converse', input, 1000)).toEqual({ input, maxTokens: 77 });
  });

  test('one that does not gets the default of the lane, and keeps the rest of its configuration', () => {
    expect(boundOutput('converse', { messages, inferenceConfig: { topP: 0.5 } }, 1000)).toEqual({
      input: { messages, inferenceConfig: { topP: 0.5, maxTokens: 1000 } },
      maxTokens: 1000,
    });
  });

  test.each([[0], [-1], ['100'], [null]])('maxTokens %j says nothing', (maxTokens) => {
    expect(boundOutput('converse', { messages, inferenceConfig: { maxTokens } }, 1000).maxTokens).toBe(1000);
  });

  test('a configuration that is no object is replaced, for Bedrock to take', () => {
    expect(boundOutput('converse', { messages, inferenceConfig: 'all' }, 5).input.inferenceConfig).toEqual({
      maxTokens: 5,
    });
  });
});

describe("invoke, by the form of the model's own body", () => {
  const anthropic = { anthropic_version: 'bedrock-2023-05-31', messages };

  test.each([
    ['Anthropic, bounded', { ...anthropic, max_tokens: 9 }, 9, { ...anthropic, max_tokens: 9 }],
    ['Anthropic, not bounded', anthropic, 1000, { ...anthropic, max_tokens: 1000 }],
    [
      'Nova, bounded',
      { messages, inferenceConfig: { maxTokens: 9 } },
      9,
      { messages, inferenceConfig: { maxTokens: 9 } },
    ],
    [
      'Nova, bounded by its older name',
      { messages, inferenceConfig: { max_new_tokens: 9 } },
      9,
      { messages, inferenceConfig: { max_new_tokens: 9 } },
    ],
    ['Nova, not bounded', { messages }, 1000, { messages, inferenceConfig: { maxTokens: 1000 } }],
    [
      'Titan text, bounded',
      { inputText: 'a', textGenerationConfig: { maxTokenCount: 9 } },
      9,
      { inputText: 'a', textGenerationConfig: { maxTokenCount: 9 } },
    ],
    [
      'Titan text, not bounded',
      { inputText: 'a', textGenerationConfig: {} },
      1000,
      { inputText: 'a', textGenerationConfig: {} },
    ],
    ['an embedding', { inputText: 'a' }, 0, { inputText: 'a' }],
    ['an image', { taskType: 'TEXT_IMAGE' }, 0, { taskType: 'TEXT_IMAGE' }],
    ['a form that nobody knows', { prompt: 'a' }, 1000, { prompt: 'a' }],
  ])('%s', (_what, body, maxTokens, input) => {
    expect(boundOutput('invoke', body, 1000)).toEqual({ input, maxTokens });
  });
});

test('a video makes no output tokens', () => {
  const input = { taskType: 'TEXT_VIDEO', textToVideoParams: { text: 'a gate' } };
  expect(boundOutput('async-invoke', input, 1000)).toEqual({ input, maxTokens: 0 });
});

test('the request itself is not changed', () => {
  const input = Object.freeze({ messages, inferenceConfig: Object.freeze({ topP: 1 }) });
  boundOutput('converse', input, 1000);
  expect(input).toEqual({ messages, inferenceConfig: { topP: 1 } });
});
