import type { ModelCall } from '../call/model-call.ts';
import { BedrockError } from './errors.ts';
import { eventFrame, exceptionFrame } from './event-frame.ts';
import type { Exchange } from './exchange.ts';

/** Sends one event of the stream. */
export type SendEvent = (eventType: string, payload: unknown) => void;

/** Thrown by `send` where a fault breaks the stream off; the wire already shows it. */
class StreamBroken extends Error {}

/**
 * Answers with an event stream: `produce` sends its events. The call's fault strikes once the first event that is
 * `isContent` is out. An error of `produce` after that becomes an exception event, as on AWS; before, it is thrown on.
 * Returns how the call ended.
 */
export async function streamAnswer(
  exchange: Exchange,
  call: ModelCall,
  headers: Record<string, string>,
  isContent: (eventType: string, payload: unknown) => boolean,
  produce: (send: SendEvent) => Promise<void>,
): Promise<'finished' | 'failed'> {
  const send: SendEvent = (eventType, payload) => {
    if (!exchange.isStarted()) {
      exchange.startStream({ 'content-type': 'application/vnd.amazon.eventstream', ...headers });
    }
    exchange.write(eventFrame(eventType, payload));
    if (isContent(eventType, payload) && strike(exchange, call)) throw new StreamBroken();
  };
  try {
    await produce(send);
    exchange.end();
    return 'finished';
  } catch (error) {
    if (error instanceof StreamBroken) return 'failed';
    if (!exchange.isStarted() || !(error instanceof BedrockError)) throw error;
    exchange.write(exceptionFrame(streamExceptionType(error), { message: error.message, ...error.members }));
    exchange.end();
    return 'failed';
  }
}

function strike(exchange: Exchange, call: ModelCall): boolean {
  switch (call.fault) {
    case 'cut-stream':
      exchange.cut();
      return true;
    case 'garbage': {
      const frame = eventFrame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'spoilt' } });
      // One wrong byte in the payload: lengths are right, so a reader gets as far as the message's CRC.
      const spoilt = Buffer.from(frame);
      spoilt.writeUInt8(spoilt.readUInt8(spoilt.length - 6) ^ 0xff, spoilt.length - 6);
      exchange.write(spoilt);
      exchange.end();
      return true;
    }
    case 'stream-throttle':
      exchange.write(
        exceptionFrame('throttlingException', { message: 'Too many tokens, please wait before trying again.' }),
      );
      exchange.end();
      return true;
    case 'stream-error':
      exchange.write(brokenStream(call));
      exchange.end();
      return true;
    default:
      return false;
  }
}

/** An agent's stream has no error of a model's stream: it says that what it depends on failed. */
function brokenStream(call: ModelCall): Uint8Array {
  const message = 'The model stream broke off.';
  if (call.model.facts.family === 'agent') {
    return exceptionFrame('dependencyFailedException', { message, resourceName: 'bedrock-runtime' });
  }
  const original = { originalStatusCode: 500, originalMessage: 'stream-error fault' };
  return exceptionFrame('modelStreamErrorException', { message, ...original });
}

/** The errors a stream can carry; anything else is the model's. */
function streamExceptionType(error: BedrockError): string {
  switch (error.type) {
    case 'ThrottlingException':
      return 'throttlingException';
    case 'ServiceUnavailableException':
      return 'serviceUnavailableException';
    case 'ValidationException':
      return 'validationException';
    case 'InternalServerException':
      return 'internalServerException';
    default:
      return 'modelStreamErrorException';
  }
}
