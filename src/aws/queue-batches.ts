import DataLoader from 'dataloader';
import { AwsError } from './aws-error.ts';

/** The most entries that SQS takes in one request. */
const batchSize = 10;

interface BatchAnswer {
  Failed?:
    | {
        Id?: string | undefined;
        Code?: string | undefined;
        Message?: string | undefined;
        SenderFault?: boolean | undefined;
      }[]
    | undefined;
}

/**
 * One loader a queue: collects for `lingerMs()`, ten at most, then makes one request.
 * A request of which SQS refuses some entries answers 200 all the same: each entry gets its own result.
 */
export function perQueue<T>(
  lingerMs: () => number,
  request: (queue: string, items: readonly T[]) => Promise<BatchAnswer>,
) {
  const loaders = new Map<string, DataLoader<T, void>>();
  return (queue: string): DataLoader<T, void> => {
    let loader = loaders.get(queue);
    if (loader === undefined) {
      loader = new DataLoader<T, void>(
        async (items) => {
          const answer = await request(queue, items);
          const failed = new Map((answer.Failed ?? []).map((entry) => [entry.Id, entry]));
          return items.map((_, index) => {
            const entry = failed.get(String(index));
            if (entry === undefined) return undefined;
            const cause = new Error(`${entry.Code}: ${entry.Message ?? ''}`);
            return new AwsError(entry.SenderFault === true ? 'refused' : 'unavailable', `SQS ${queue}`, cause);
          });
        },
        { cache: false, maxBatchSize: batchSize, batchScheduleFn: (run) => setTimeout(run, lingerMs()) },
      );
      loaders.set(queue, loader);
    }
    return loader;
  };
}
