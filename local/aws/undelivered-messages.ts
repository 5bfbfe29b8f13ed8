import type { FastifyInstance } from 'fastify';

type Received = { Messages?: { ReceiptHandle: string }[] };

/**
 * Makes messages visible again whose receiver hung up before the answer reached it.
 *
 *     receiver   long poll ......... killed
 *     fauxqs     waiter stays ............. a message arrives, is handed to the dead waiter, invisible for 30 s
 *
 * SQS notices the closed connection and delivers to somebody else; fauxqs does not, so that after every stop or crash
 * of a worker the next messages would be lost for a whole visibility timeout.
 */
export function returnUndeliveredMessages(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply, payload) => {
    if (request.headers['x-amz-target'] !== 'AmazonSQS.ReceiveMessage' || reply.statusCode !== 200) return;
    const { Messages: messages = [] } = JSON.parse(String(payload)) as Received;
    if (messages.length === 0) return;
    const release = (): void => {
      void app.inject({
        method: 'POST',
        url: '/',
        headers: {
          ...pick(request.headers, 'authorization'),
          'content-type': 'application/x-amz-json-1.0',
          'x-amz-target': 'AmazonSQS.ChangeMessageVisibilityBatch',
        },
        payload: JSON.stringify({
          QueueUrl: (request.body as { QueueUrl: string }).QueueUrl,
          Entries: messages.map((message, index) => ({
            Id: String(index),
            ReceiptHandle: message.ReceiptHandle,
            VisibilityTimeout: 0,
          })),
        }),
      });
    };
    if (reply.raw.destroyed) return release();
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) release();
    });
  });
}

function pick(headers: Record<string, unknown>, name: string): Record<string, string> {
  const value = headers[name];
  return typeof value === 'string' ? { [name]: value } : {};
}
