import { expect, test } from 'vitest';
import { jobRequestSchema } from '../core/job-request.ts';
import { lanesFileSchema, toLanes } from '../core/lanes.ts';
import { limitsFileSchema } from '../core/limits.ts';
import { checkSubmit } from './submit-checks.ts';

const lane = {
  quota: { requestsPerMinute: 1, tokensPerMinute: 1 },
  concurrency: 1,
  timeoutSeconds: 1,
  maxAttempts: 1,
  defaultMaxTokens: 1,
  usdPerMillionTokens: { input: 0, output: 0 },
};
const lanes = toLanes(
  lanesFileSchema.parse({
    lanes: {
      chat: { ...lane, models: ['chat'], operations: ['converse', 'invoke'] },
      embed: { ...lane, models: ['embed'], operations: ['invoke'] },
    },
  }),
);
const limits = limitsFileSchema.parse({
  default: { submitsPerSecond: 1, s3AllowList: [] },
  tenants: { t1: { s3AllowList: ['s3://shared/prompts/'] } },
});
const hello = { messages: [{ role: 'user', content: [{ text: 'hi' }] }] };

function check(request: object, tenant = 't1', localMode = false) {
  const parsed = jobRequestSchema.parse({ model: 'chat', input: hello, ...request });
  const checked = checkSubmit({ lanes, limits, bucket: 'bucket', localMode }, tenant, parsed);
  return checked.kind === 'accepted' ? checked.lane.name : checked.errors.map(({ path }) => path);
}

test('a good request finds the lane of its model', () => {
  expect(check({})).toBe('chat');
  expect(check({ model: 'embed', operation: 'invoke', input: { inputText: 'x' } })).toBe('embed');
});

test('an unknown model is named with those that there are', () => {
  const request = jobRequestSchema.parse({ model: 'gpt', input: hello });
  expect(checkSubmit({ lanes, limits, bucket: 'bucket', localMode: false }, 't1', request)).toEqual({
    kind: 'refused',
    errors: [{ path: 'model', message: 'unknown model; the lanes serve chat, embed' }],
  });
});

test('what the model cannot do is refused, with everything else that is wrong', () => {
  expect(check({ model: 'embed' })).toEqual(['operation']);
  expect(check({ operation: 'invoke', stream: true, input: {} })).toEqual(['stream']);
  expect(check({ stream: true })).toBe('chat');
  expect(check({ model: 'embed', operation: 'converse', stream: true, input: {} })).toEqual([
    'operation',
    'input.messages',
  ]);
});

test('a converse request has the shape of Bedrock, an invoke request its own', () => {
  const wrong = { messages: [{ role: 'user', content: [{ txt: 'hi' }] }] };
  expect(check({ input: wrong })).toContain('input.messages[0].content[0].txt');
  expect(check({ operation: 'invoke', input: wrong })).toBe('chat');
});

test("S3 is reached under the tenant's own prefix and its allow-list only", () => {
  const image = (uri: string) => ({ operation: 'invoke', input: { deep: [{ uri }] } });
  expect(check(image('s3://bucket/t1/cat.png'))).toBe('chat');
  expect(check(image('s3://shared/prompts/a.txt'))).toBe('chat');
  expect(check(image('s3://shared/prompts/a.txt'), 't2')).toEqual(['input.deep[0].uri']);
  expect(check(image('s3://bucket/t1x/cat.png'))).toEqual(['input.deep[0].uri']);
  expect(check(image('s3://bucket/t1/../t2/cat.png'))).toEqual(['input.deep[0].uri']);
});

test('a webhook goes to https, to plain http in local mode only, and never to a metadata service', () => {
  const webhook = (url: string, localMode = false) => check({ webhook: { url } }, 't1', localMode);
  expect(webhook('https://example.com/hook?key=1')).toBe('chat');
  expect(webhook('http://example.com/hook')).toEqual(['webhook.url']);
  expect(webhook('http://localhost:8080/hook', true)).toBe('chat');
  expect(webhook('https://localhost:8080/hook')).toEqual(['webhook.url']);
  for (const localMode of [true, false]) {
    expect(webhook('https://169.254.169.254/latest', localMode)).toEqual(['webhook.url']);
    expect(webhook('/hook', localMode)).toEqual(['webhook.url']);
  }
});
