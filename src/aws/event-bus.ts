import { type EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { publishBatches } from '../core/publish-batches.ts';
import { AwsError, awsCall } from './aws-error.ts';

/** An event for the bus: rules look at its detail. */
export interface BusEvent {
  detailType: string;
  detail: object;
}

/** What rules match by, beside the detail. */
export const eventSource = 'penstock';

/** The bus of a deployment. Throws AwsError. */
export interface EventBus {
  /** Resolves once EventBridge has all of them; ten and 256 KB a request. One that no rule matches succeeds too. */
  putAll(events: readonly BusEvent[]): Promise<void>;
}

export function createEventBus(client: EventBridgeClient, busName: string): EventBus {
  return {
    async putAll(events) {
      const entries = events.map(({ detailType, detail }) => ({
        EventBusName: busName,
        Source: eventSource,
        DetailType: detailType,
        Detail: JSON.stringify(detail),
      }));
      const sizeOf = (entry: { Detail: string }) => Buffer.byteLength(entry.Detail) + 200;
      await Promise.all(
        publishBatches(entries, sizeOf).map(async (Entries) => {
          const answer = await awsCall('EventBridge PutEvents', () => client.send(new PutEventsCommand({ Entries })));
          const failed = answer.Entries?.find((entry) => entry.ErrorCode !== undefined);
          if (failed !== undefined)
            throw new AwsError(
              'unavailable',
              'EventBridge PutEvents',
              new Error(`${failed.ErrorCode}: ${failed.ErrorMessage}`),
            );
        }),
      );
    },
  };
}
