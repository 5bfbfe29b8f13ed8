import { randomBytes } from 'node:crypto';
import { devNull } from 'node:os';

export type Endpoints = {
  /** SQS, SNS and S3. */
  awsUrl: string;
  dynamodbUrl: string;
  bedrockUrl: string;
};

/**
 * The environment of every process of local mode: the user's own, except for AWS. Each `AWS_*` variable is dropped and
 * the shared config files are out of reach, so that no profile, session, bearer token or
 * AWS_IGNORE_CONFIGURED_ENDPOINT_URLS of the user's shell can lead to a real account; the keys are dummies.
 * The fleet's secret is made up anew at each start.
 * AWS_EC2_METADATA_DISABLED keeps the SDK from asking an instance for its role.
 */
export function localEnvironment(env: NodeJS.ProcessEnv, endpoints: Endpoints): NodeJS.ProcessEnv {
  const own = Object.entries(env).filter(([name]) => !name.startsWith('AWS_'));
  return {
    PENSTOCK_HOST: '127.0.0.1',
    PENSTOCK_OPS_HOST: '127.0.0.1',
    PENSTOCK_ADVERTISE: '127.0.0.1',
    PENSTOCK_FLEET_SECRET: randomBytes(32).toString('hex'),
    ...Object.fromEntries(own),
    PENSTOCK_LOCAL: 'true',
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_CONFIG_FILE: devNull,
    AWS_SHARED_CREDENTIALS_FILE: devNull,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_ENDPOINT_URL: endpoints.awsUrl,
    AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodbUrl,
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME: endpoints.bedrockUrl,
    AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME: endpoints.bedrockUrl,
  };
}
