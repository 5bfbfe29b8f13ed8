import { describe, expect, test } from 'vitest';
import { BedrockFailure, toBedrockFailure } from './bedrock-failure.ts';

/** An error as the SDK throws it. */
function sdkError(name: string, extra: Record<string, unknown> = {}, message = `${name} says no`): Error {
  return Object.assign(new Error(message), { name, ...extra });
}
const seen = (error: unknown, answering = false) => {
  const { code, callStarted } = toBedrockFailure(error, answering);
  return { code, callStarted };
};

describe('by the name of the error', () => {
  test.each([
    ['ThrottlingException', 'throttled', false],
    ['ModelNotReadyException', 'throttled', false],
    ['ServiceQuotaExceededException', 'throttled', false],
    ['ServiceUnavailableException', 'service_unavailable', true],
    ['InternalServerException', 'internal_error', true],
    ['ModelTimeoutException', 'model_timeout', true],
    ['ModelStreamErrorException', 'stream_cut', true],
    ['ValidationException', 'validation', false],
    ['ConflictException', 'validation', false],
    ['AccessDeniedException', 'access_denied', false],
    ['ResourceNotFoundException', 'model_not_found', false],
    ['BadGatewayException', 'service_unavailable', true],
    ['DependencyFailedException', 'service_unavailable', true],
    ['ExpiredTokenException', 'credentials', false],
    ['UnrecognizedClientException', 'credentials', false],
    ['CredentialsProviderError', 'credentials', false],
  ])('%s is %s (started: %s)', (name, code, callStarted) => {
    const failure = toBedrockFailure(sdkError(name), false);
    expect(failure).toMatchObject({ code, callStarted, message: `${name} says no` });
  });

  test.each(['Too many tokens per day, please wait', 'You exceeded your daily quota'])(
    'the quota of a day: %s',
    (text) => {
      expect(seen(sdkError('ThrottlingException', {}, text))).toEqual({ code: 'throttled_daily', callStarted: false });
    },
  );

  test("a model's error is the caller's fault only where its own status says so", () => {
    expect(seen(sdkError('ModelErrorException', { originalStatusCode: 400 }))).toEqual({
      code: 'model_error',
      callStarted: true,
    });
    for (const originalStatusCode of [500, undefined])
      expect(seen(sdkError('ModelErrorException', { originalStatusCode }))).toEqual({
        code: 'internal_error',
        callStarted: true,
      });
  });

  test('in the middle of an answer every error is of a call that had begun', () => {
    expect(seen(sdkError('ThrottlingException'), true)).toEqual({ code: 'throttled', callStarted: true });
    expect(seen(sdkError('ValidationException'), true)).toEqual({ code: 'validation', callStarted: true });
  });
});

describe('without a name that is known', () => {
  test.each(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])('%s: never began', (code) => {
    expect(seen(sdkError('Error', { code }))).toEqual({ code: 'connection_lost', callStarted: false });
  });

  test.each(['ECONNRESET', 'EPIPE', undefined])('%s: may have begun', (code) => {
    expect(seen(sdkError('Error', { code }))).toEqual({ code: 'connection_lost', callStarted: true });
    expect(seen(sdkError('Error', { code }), true)).toEqual({ code: 'stream_cut', callStarted: true });
  });

  test.each([
    [400, 'validation', false],
    [403, 'access_denied', false],
    [418, 'validation', false],
    [429, 'throttled', false],
    [500, 'service_unavailable', true],
    [599, 'service_unavailable', true],
    [200, 'invalid_answer', true],
  ])('status %d is %s', (httpStatusCode, code, callStarted) => {
    expect(seen(sdkError('NewException', { $metadata: { httpStatusCode } }))).toEqual({ code, callStarted });
  });

  test('an answer that cannot be read', () => {
    expect(seen(new SyntaxError('Unexpected token'))).toEqual({ code: 'invalid_answer', callStarted: true });
    expect(seen(new TypeError('undefined is no object'))).toEqual({ code: 'invalid_answer', callStarted: true });
  });

  test('what is no error at all', () => {
    expect(toBedrockFailure('boom', false)).toMatchObject({ code: 'internal_error', message: 'boom' });
  });
});

test('a failure stays what it is, and another keeps its cause', () => {
  const failure = new BedrockFailure({ code: 'stream_cut', message: 'cut', callStarted: true });
  expect(toBedrockFailure(failure, false)).toBe(failure);
  const cause = sdkError('InternalServerException');
  expect(toBedrockFailure(cause, false).cause).toBe(cause);
});
