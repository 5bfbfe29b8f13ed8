import { ApiGatewayManagementApiClient, PostToConnectionCommand } from '@aws-sdk/client-apigatewaymanagementapi';

/**
 * Clients that come through an API Gateway WebSocket API: a connection there is a watcher of its own, and a frame is
 * posted to it by API Gateway's management API.
 * Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
 */

/** What became of a push. `gone`: nobody is there any more. */
export type PushResult = 'sent' | 'gone' | 'failed';

/** Posts frames to one connection, in order. */
export type GatewayPost = (connectionId: string, lines: readonly string[]) => Promise<PushResult>;

const scheme = 'gateway:';

/** The watcher address of a connection. */
export function gatewayAddress(connectionId: string): string {
  return `${scheme}${connectionId}`;
}

/** The connection of an address; undefined for the address of an api instance. */
export function gatewayConnection(address: string): string | undefined {
  return address.startsWith(scheme) ? address.slice(scheme.length) : undefined;
}

/** The door to API Gateway. `stop` closes its connections. */
export function createGateway(endpoint: string): { post: GatewayPost; stop(): void } {
  const client = new ApiGatewayManagementApiClient({ endpoint, maxAttempts: 2 });
  return {
    async post(connectionId, lines) {
      for (const line of lines) {
        try {
          // One message a frame: clients get what a socket of ours would give them.
          await client.send(new PostToConnectionCommand({ ConnectionId: connectionId, Data: Buffer.from(line) }));
        } catch (error) {
          return error instanceof Error && error.name === 'GoneException' ? 'gone' : 'failed';
        }
      }
      return 'sent';
    },
    stop: () => client.destroy(),
  };
}
