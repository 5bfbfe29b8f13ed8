import { expect, test } from 'vitest';
import { converseOf } from './openai-request.ts';

const user = (content: unknown) => ({ role: 'user', content });
const input = (body: Record<string, unknown>): Record<string, unknown> => {
  const converted = converseOf(body);
  if ('problem' in converted) throw new Error(converted.problem);
  return converted.input;
};

test('texts, roles and settings go to their places', () => {
  const body = {
    model: 'gpt-4o',
    messages: [
      { role: 'developer', content: 'be brief' },
      user('hello'),
      { role: 'assistant', content: 'hi' },
      user([{ type: 'text', text: 'and?' }]),
    ],
    max_completion_tokens: 7,
    max_tokens: 9,
    temperature: 0,
    top_p: null,
    stop: 'END',
    n: 1,
  };
  expect(input(body)).toEqual({
    system: [{ text: 'be brief' }],
    messages: [
      { role: 'user', content: [{ text: 'hello' }] },
      { role: 'assistant', content: [{ text: 'hi' }] },
      { role: 'user', content: [{ text: 'and?' }] },
    ],
    inferenceConfig: { maxTokens: 7, temperature: 0, stopSequences: ['END'] },
  });
});

test('images that are sent along or lie in S3 are taken, others are not fetched', () => {
  const image = (url: string) => user([{ type: 'image_url', image_url: { url } }]);
  const first = (url: string) =>
    (input({ messages: [image(url)] }).messages as { content: unknown[] }[])[0]?.content[0];
  expect(first('data:image/png;base64,QUJD')).toEqual({ image: { format: 'png', source: { bytes: 'QUJD' } } });
  expect(first('s3://bucket/demo/a.JPG')).toEqual({
    image: { format: 'jpeg', source: { s3Location: { uri: 's3://bucket/demo/a.JPG' } } },
  });
  expect(converseOf({ messages: [image('https://example.com/a.png')] })).toEqual({
    problem: expect.stringContaining('body.messages[0].content[0].image_url.url'),
  });
});

test('tools, their calls and their results; what one role says in a row becomes one turn', () => {
  const call = { id: 'c1', type: 'function', function: { name: 'add', arguments: '{"a":1}' } };
  const body = {
    messages: [
      user('1+1'),
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c1', content: '2' },
      user('well?'),
    ],
    tools: [{ type: 'function', function: { name: 'add', description: 'adds', parameters: { type: 'object' } } }],
    tool_choice: 'required',
  };
  expect(input(body)).toEqual({
    messages: [
      { role: 'user', content: [{ text: '1+1' }] },
      { role: 'assistant', content: [{ toolUse: { toolUseId: 'c1', name: 'add', input: { a: 1 } } }] },
      {
        role: 'user',
        content: [{ toolResult: { toolUseId: 'c1', content: [{ text: '2' }] } }, { text: 'well?' }],
      },
    ],
    toolConfig: {
      tools: [{ toolSpec: { name: 'add', description: 'adds', inputSchema: { json: { type: 'object' } } } }],
      toolChoice: { any: {} },
    },
  });
});

test.each([
  [{ messages: 'x' }, 'body.messages: must be an array'],
  [{ messages: [], seed: 1 }, 'body.seed has no counterpart in Converse'],
  [{ messages: [], n: 2 }, 'body.n: one answer a record'],
  [{ messages: [], stream: true }, 'body.stream: a batch does not stream'],
  [{ messages: [7] }, 'body.messages[0]: must be an object'],
  [{ messages: [{ role: 'judge', content: '' }] }, 'body.messages[0].role: must be one of'],
  [{ messages: [user(7)] }, 'body.messages[0].content: must be a string or an array'],
  [{ messages: [user([{ type: 'audio' }])] }, 'body.messages[0].content[0].type: must be text or image_url'],
])('what has no counterpart is refused by name: %j', (body, problem) => {
  expect(converseOf(body)).toEqual({ problem: expect.stringContaining(problem) });
});
