import { CreateTopicCommand, type SNSClient } from '@aws-sdk/client-sns';
import { awsCall } from './aws-error.ts';

/**
 * Looks topics' ARNs up once each. SNS has no look-up by name; CreateTopic of a topic that is there gives its ARN and
 * changes nothing. Source: https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
 */
export function topicArns(client: SNSClient, prefix: string): (topic: string) => Promise<string> {
  const arns = new Map<string, Promise<string>>();
  return (topic) => {
    const known = arns.get(topic);
    if (known !== undefined) return known;
    const asked = awsCall('SNS CreateTopic', () =>
      client.send(new CreateTopicCommand({ Name: `${prefix}${topic}` })),
    ).then((answer) => answer.TopicArn as string);
    arns.set(topic, asked);
    asked.catch(() => arns.delete(topic));
    return asked;
  };
}
