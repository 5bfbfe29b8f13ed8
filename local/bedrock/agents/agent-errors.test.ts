import { expect, it } from 'vitest';
import { BedrockError, type BedrockErrorType } from '../wire/errors.ts';
import { asAgentError } from './agent-errors.ts';

it.each([
  ['ServiceUnavailableException', 'BadGatewayException', 502],
  ['ModelErrorException', 'DependencyFailedException', 424],
  ['ModelTimeoutException', 'DependencyFailedException', 424],
  ['ModelNotReadyException', 'ModelNotReadyException', 424],
  ['ThrottlingException', 'ThrottlingException', 429],
  ['ValidationException', 'ValidationException', 400],
] satisfies [BedrockErrorType, BedrockErrorType, number][])('says %s as %s, %i', (type, asType, status) => {
  expect(asAgentError(new BedrockError(type, 'why'))).toMatchObject({ type: asType, status, message: 'why' });
});
