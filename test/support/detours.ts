import type { Endpoints } from '../../local/local-environment.ts';

/** Something between the service and a store: made once the store's URL is known, stopped with the stack. */
type Detour = (target: string) => Promise<{ url: string; stop(): Promise<void> }>;

/**
 * By store, for instance `{ sqs: async (target) => (proxy = await startTcpProxy({ target })) }`.
 * `sqs` leaves SNS and S3, which fauxqs serves on the same port, on the direct way.
 */
export type Detours = { sqs?: Detour; dynamodb?: Detour; bedrock?: Detour };

/** Starts the detours, adds their stops to `stops`, and gives the variables that send the SDK along them. */
export async function takeDetours(
  detours: Detours,
  endpoints: Endpoints,
  stops: (() => Promise<void>)[],
): Promise<NodeJS.ProcessEnv> {
  // In the SDK a service's own variable wins over AWS_ENDPOINT_URL.
  const ways = [
    ['AWS_ENDPOINT_URL_SQS', endpoints.awsUrl, detours.sqs],
    ['AWS_ENDPOINT_URL_DYNAMODB', endpoints.dynamodbUrl, detours.dynamodb],
    ['AWS_ENDPOINT_URL_BEDROCK_RUNTIME', endpoints.bedrockUrl, detours.bedrock],
  ] as const;
  const env: NodeJS.ProcessEnv = {};
  for (const [variable, target, detour] of ways) {
    if (!detour) continue;
    const { url, stop } = await detour(target);
    stops.push(stop);
    env[variable] = url;
  }
  return env;
}
