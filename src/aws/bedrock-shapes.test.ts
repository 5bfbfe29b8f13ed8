import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toConverseInput, toJson } from './bedrock-shapes.ts';

const read = (input: unknown) => toConverseInput(input, 'input');
const problems = (input: unknown) => read(input).problems.map(({ path, message }) => `${path}: ${message}`);
const user = (...content: unknown[]) => ({ messages: [{ role: 'user', content }] });

describe('bytes', () => {
  test('in base64 become real bytes, wherever a shape has them', () => {
    const { value, problems: found } = read({
      ...user(
        { image: { format: 'png', source: { bytes: 'aGVsbG8=' } } },
        { toolResult: { toolUseId: 't', content: [{ document: { name: 'd', source: { bytes: 'aGVsbG8=' } } }] } },
      ),
    });
    expect(found).toEqual([]);
    const hello = new Uint8Array(Buffer.from('hello'));
    expect(value).toEqual(
      user(
        { image: { format: 'png', source: { bytes: hello } } },
        { toolResult: { toolUseId: 't', content: [{ document: { name: 'd', source: { bytes: hello } } }] } },
      ),
    );
  });

  test('a field that is called bytes in a free document is left alone', () => {
    const input = {
      ...user({ text: 'x' }),
      additionalModelRequestFields: { bytes: 'aGVsbG8=', nested: [{ bytes: '!' }] },
    };
    expect(read(input)).toEqual({ value: input, problems: [] });
  });

  const image = (bytes: unknown) => user({ image: { format: 'png', source: { bytes } } });
  const source = 'input.messages[0].content[0].image.source';

  test.each(['not base64!', '====', 'aGVsbG8==', 'aGVs bG8=', 'aGVsbG9=', 5, { 0: 104 }])(
    '%j is no base64',
    (bytes) => {
      expect(problems(image(bytes))).toEqual([`${source}.bytes: must be a string in base64`]);
    },
  );

  test('padding may be left out', () => {
    expect(read(image('aGVsbG8'))).toEqual(read(image('aGVsbG8=')));
    expect(problems(image('aGVsbG8'))).toEqual([]);
  });

  test('null bytes are bytes that were left out', () => {
    expect(problems(image(null))[0]).toContain(`${source}: exactly one of`);
  });

  test('a megabyte of padding is refused like anything else, and holds nobody up', () => {
    expect(problems(image(`${'='.repeat(1024 * 1024)}a`))).toEqual([`${source}.bytes: must be a string in base64`]);
  });

  test('any bytes come through both ways unchanged', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const base64 = Buffer.from(bytes).toString('base64');
        const { value, problems: found } = read(user({ image: { format: 'png', source: { bytes: base64 } } }));
        expect(found).toEqual([]);
        expect(toJson(value)).toEqual(user({ image: { format: 'png', source: { bytes: base64 } } }));
      }),
    );
  });
});

describe('what is not of the shape is named with its path', () => {
  test.each([
    ['no object', 'hello', ['input: must be an object']],
    ['no messages', {}, ['input.messages: required: at least one message']],
    ['messages that are no array', { messages: {} }, ['input.messages: must be an array']],
    ['a message that is no object', { messages: ['hi'] }, ['input.messages[0]: must be an object']],
    [
      'a content that is no array',
      { messages: [{ role: 'user', content: 'hi' }] },
      ['input.messages[0].content: must be an array'],
    ],
    ['a text that is no string', user({ text: 5 }), ['input.messages[0].content[0].text: must be a string']],
    ['an unknown field', { ...user({ text: 'x' }), temprature: 1 }, ['input.temprature: unknown field']],
    [
      'an unknown field far down',
      user({ image: { format: 'png', size: 1, source: { bytes: '' } } }),
      ['input.messages[0].content[0].image.size: unknown field'],
    ],
    [
      'a member that every object has',
      { ...user({ text: 'x' }), constructor: 1 },
      ['input.constructor: unknown field'],
    ],
    [
      'a number as text',
      { ...user({ text: 'x' }), inferenceConfig: { maxTokens: '5' } },
      ['input.inferenceConfig.maxTokens: must be a number'],
    ],
    [
      'the model',
      { ...user({ text: 'x' }), modelId: 'm' },
      ['input.modelId: the model stands in the field model of the job'],
    ],
    [
      'a list in a map',
      { ...user({ text: 'x' }), requestMetadata: { a: 1 } },
      ['input.requestMetadata.a: must be a string'],
    ],
  ])('%s', (_what, input, expected) => {
    expect(problems(input)).toEqual(expected);
  });

  test('a block with two members, or none, of which it must have one', () => {
    const [two] = problems(user({ text: 'x', image: { format: 'png', source: { bytes: '' } } }));
    expect(two).toMatch(/^input\.messages\[0\]\.content\[0\]: exactly one of text, image, /);
    expect(problems(user({}))[0]).toMatch(/^input\.messages\[0\]\.content\[0\]: exactly one of /);
  });

  test('several at once', () => {
    expect(problems({ messages: [{ role: 1, content: [{ text: 2 }] }], foo: 3 })).toHaveLength(3);
  });

  test('whatever is sent, it never throws', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (input, content) => {
        expect(Array.isArray(read(input).problems)).toBe(true);
        expect(Array.isArray(read({ messages: [{ role: 'user', content }] }).problems)).toBe(true);
      }),
    );
  });
});

test('a null member is one that was left out', () => {
  expect(read({ ...user({ text: 'x' }), system: null })).toEqual({ value: user({ text: 'x' }), problems: [] });
});

test('an answer of the SDK becomes JSON: base64, ISO dates, no metadata of the SDK, nothing undefined', () => {
  const answer = {
    $metadata: { httpStatusCode: 200 },
    bytes: new Uint8Array([104, 105]),
    at: new Date(0),
    list: [new Uint8Array([1]), null, { $metadata: 1, a: undefined }],
    none: undefined,
    n: 0,
  };
  expect(toJson(answer)).toEqual({ bytes: 'aGk=', at: '1970-01-01T00:00:00.000Z', list: ['AQ==', null, {}], n: 0 });
});
