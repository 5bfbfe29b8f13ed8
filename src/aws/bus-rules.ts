import { ListRulesCommand } from '@aws-sdk/client-eventbridge';
import { awsCall } from './aws-error.ts';
import type { AwsClients } from './clients.ts';

/** Names of the enabled rules of a bus. Throws AwsError. */
export async function rulesOf(clients: Pick<AwsClients, 'events'>, EventBusName: string): Promise<string[]> {
  const found: string[] = [];
  let NextToken: string | undefined;
  do {
    const request = new ListRulesCommand({ EventBusName, ...(NextToken !== undefined && { NextToken }) });
    const page = await awsCall('EventBridge ListRules', () => clients.events.send(request));
    found.push(...(page.Rules ?? []).filter(({ State }) => State === 'ENABLED').map(({ Name }) => Name ?? ''));
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  return found;
}
