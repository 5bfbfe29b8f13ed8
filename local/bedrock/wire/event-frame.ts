import { EventStreamCodec } from '@smithy/eventstream-codec';

/**
 * Frames of `application/vnd.amazon.eventstream`: prelude, headers and payload, each with its CRC
 * (https://smithy.io/2.0/aws/amazon-eventstream.html).
 */
const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
);

/** An event, e.g. `contentBlockDelta`; the payload is sent as JSON. */
export function eventFrame(eventType: string, payload: unknown): Uint8Array {
  return frame({ ':event-type': eventType, ':content-type': 'application/json', ':message-type': 'event' }, payload);
}

/** A modeled error in the middle of a stream; `exceptionType` begins with a small letter: `throttlingException`. */
export function exceptionFrame(exceptionType: string, payload: unknown): Uint8Array {
  return frame(
    { ':exception-type': exceptionType, ':content-type': 'application/json', ':message-type': 'exception' },
    payload,
  );
}

function frame(headers: Record<string, string>, payload: unknown): Uint8Array {
  const typed = Object.entries(headers).map(([name, value]) => [name, { type: 'string' as const, value }] as const);
  return codec.encode({ headers: Object.fromEntries(typed), body: Buffer.from(JSON.stringify(payload)) });
}
