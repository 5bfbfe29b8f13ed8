import { expect, test } from 'vitest';
import { AwsError } from '../aws/aws-error.ts';
import { describeError, toProblem } from './error-handler.ts';
import { InvalidRequest } from './invalid-request.ts';
import { problemBody } from './problem.ts';

test.each(['unavailable', 'credentials', 'refused', 'not_found', 'condition_failed'] as const)(
  'AWS saying %s is a 503 that says nothing of AWS',
  (code) => {
    const problem = toProblem(new AwsError(code, 'DynamoDB PutItem', new Error('arn:aws:dynamodb:secret')));
    expect(problem).toMatchObject({ code: 'unavailable', headers: { 'retry-after': '2' } });
    expect(JSON.stringify(problemBody(problem))).not.toMatch(/dynamo|arn:|PutItem/i);
  },
);

test('what nobody expected is a 500 without details', () => {
  const problem = toProblem(new Error('the secret of the house'));
  expect(problem.code).toBe('internal_error');
  expect(JSON.stringify(problem)).not.toContain('secret');
  expect(toProblem('thrown text').code).toBe('internal_error');
});

test("a library's own 4xx keeps its status where there is a code for it, and is a 400 else", () => {
  const withStatus = (statusCode: number) => Object.assign(new Error('x'), { statusCode });
  expect([403, 404, 413, 415, 400, 418].map((status) => toProblem(withStatus(status)).code)).toEqual([
    'forbidden',
    'not_found',
    'payload_too_large',
    'unsupported_media_type',
    'bad_request',
    'bad_request',
  ]);
});

test('a header is named as people write it', () => {
  const error = new InvalidRequest([{ path: 'idempotency-key', message: 'too long' }]);
  error.validationContext = 'headers';
  expect(toProblem(error).errors).toEqual([{ path: 'Idempotency-Key', message: 'too long' }]);
});

test('no body at all is a 400, a wrong one a 422', () => {
  const error = new InvalidRequest([{ path: 'body', message: 'expected object' }]);
  error.validationContext = 'body';
  expect(toProblem(error, false).code).toBe('bad_request');
  expect(toProblem(error, true).code).toBe('validation_failed');
});

test('the log gets where an error came from, and nothing that it quotes or carries', () => {
  const carried = Object.assign(new Error('broke'), { $response: { body: 'MARKER' } });
  expect(JSON.stringify(describeError(carried))).not.toContain('MARKER');
  expect(describeError(carried)).toEqual({
    error: 'Error: broke',
    stack: expect.stringContaining('error-handler.test'),
  });
  let quoting: unknown;
  try {
    JSON.parse('MARKER');
  } catch (error) {
    quoting = error;
  }
  expect(String(quoting)).toContain('MARKER');
  expect(JSON.stringify(describeError(quoting))).not.toContain('MARKER');
});
