import { devNull } from 'node:os';
import { expect, test } from 'vitest';
import { localEnvironment } from './local-environment.ts';

const endpoints = { awsUrl: 'http://a', dynamodbUrl: 'http://d', bedrockUrl: 'http://b' };

test('of AWS nothing of the shell is left, only what leads to the emulators', () => {
  const shell = {
    AWS_PROFILE: 'production',
    AWS_ACCESS_KEY_ID: 'AKIAREAL',
    AWS_SESSION_TOKEN: 'real',
    AWS_BEARER_TOKEN_BEDROCK: 'real',
    AWS_ENDPOINT_URL_SQS: 'https://sqs.us-east-1.amazonaws.com',
    AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true',
    AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://169.254.170.2/',
  };
  const env = localEnvironment(shell, endpoints);
  expect(Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('AWS_')))).toEqual({
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_CONFIG_FILE: devNull,
    AWS_SHARED_CREDENTIALS_FILE: devNull,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_ENDPOINT_URL: 'http://a',
    AWS_ENDPOINT_URL_DYNAMODB: 'http://d',
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME: 'http://b',
    AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME: 'http://b',
  });
});

test("the rest of the user's environment wins, but local mode is always on", () => {
  const env = localEnvironment(
    { PENSTOCK_LOG_LEVEL: 'debug', PENSTOCK_HOST: '0.0.0.0', PENSTOCK_LOCAL: 'false' },
    endpoints,
  );
  expect(env).toMatchObject({
    PENSTOCK_LOG_LEVEL: 'debug',
    PENSTOCK_HOST: '0.0.0.0',
    PENSTOCK_OPS_HOST: '127.0.0.1',
    PENSTOCK_LOCAL: 'true',
  });
});
