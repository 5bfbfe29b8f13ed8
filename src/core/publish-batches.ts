/**
 * Cuts messages into requests: ten at most, and 256 KB together, as SNS PublishBatch and EventBridge PutEvents take them.
 * Source: https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
 */
export const mostMessages = 10;
export const mostBytes = 256 * 1024;

/**
 * Keeps the order; each message is in exactly one request. Pure.
 * @param bytesOf size of a message with its attributes
 * @throws RangeError for a message that fits into no request
 */
export function publishBatches<T>(messages: readonly T[], bytesOf: (message: T) => number): T[][] {
  const batches: T[][] = [];
  let current: T[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = bytesOf(message);
    if (size > mostBytes) throw new RangeError(`a message of ${size} bytes fits into no request of ${mostBytes}`);
    if (current.length > 0 && (current.length === mostMessages || bytes + size > mostBytes)) {
      batches.push(current);
      current = [];
      bytes = 0;
    }
    current.push(message);
    bytes += size;
  }
  return current.length > 0 ? [...batches, current] : batches;
}
