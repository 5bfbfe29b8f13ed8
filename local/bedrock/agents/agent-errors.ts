import { BedrockError } from '../wire/errors.ts';

// The service model gives this error 424 here, and 429 in Bedrock runtime.
const NOT_READY_STATUS = 424;

/**
 * Runs an operation of the agents' runtime and says its errors in that service's words: it has no errors of models, but
 * of what it depends on (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_InvokeAgent.html).
 * Rejects with the BedrockError as that service would answer it.
 */
export async function speakAgentErrors(operation: () => Promise<void>): Promise<void> {
  try {
    await operation();
  } catch (error) {
    throw error instanceof BedrockError ? asAgentError(error) : error;
  }
}

/** The same error as the agents' runtime would answer it; what both services have goes through as it is. */
export function asAgentError(error: BedrockError): BedrockError {
  switch (error.type) {
    case 'ServiceUnavailableException':
      return new BedrockError('BadGatewayException', error.message, { resourceName: 'bedrock-runtime' });
    case 'ModelErrorException':
    case 'ModelTimeoutException':
      return new BedrockError('DependencyFailedException', error.message, { resourceName: 'bedrock-runtime' });
    case 'ModelNotReadyException':
      return new BedrockError('ModelNotReadyException', error.message, {}, NOT_READY_STATUS);
    default:
      return error;
  }
}
