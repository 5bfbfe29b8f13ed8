import { ListSubscriptionsByTopicCommand } from '@aws-sdk/client-sns';
import { awsCall } from './aws-error.ts';
import type { AwsClients } from './clients.ts';

/** Endpoint and ARN of each subscription of a topic. */
export async function subscriptionsOf(
  clients: Pick<AwsClients, 'sns'>,
  TopicArn: string,
): Promise<[endpoint: string, arn: string][]> {
  const found: [string, string][] = [];
  let NextToken: string | undefined;
  do {
    const request = new ListSubscriptionsByTopicCommand({ TopicArn, ...(NextToken !== undefined && { NextToken }) });
    const page = await awsCall('SNS ListSubscriptionsByTopic', () => clients.sns.send(request));
    found.push(
      ...(page.Subscriptions ?? []).map(
        ({ Endpoint, SubscriptionArn }) => [Endpoint ?? '', SubscriptionArn ?? ''] as [string, string],
      ),
    );
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  return found;
}
