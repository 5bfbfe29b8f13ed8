import type { MessageAttributeValue } from '@aws-sdk/client-sqs';
import { type TraceCarrier, traceCarrierSchema } from '../core/trace-carrier.ts';
import type { OpenSpan } from '../runtime/span.ts';
import { activeTrace, isTracing, withSpan } from '../runtime/tracing.ts';

/** How a trace goes through SQS: as attributes of a message, or, where SNS or EventBridge lies between, in its body. */

/** What to ask for at a receive. */
export const traceAttributes = ['traceparent', 'tracestate'];

/** Attributes of an outgoing message; none without a trace. */
export function toTraceAttributes(trace: TraceCarrier | undefined): {
  MessageAttributes?: Record<string, MessageAttributeValue>;
} {
  if (trace === undefined) return {};
  const entries = Object.entries(trace).map(([name, StringValue]) => [name, { DataType: 'String', StringValue }]);
  return { MessageAttributes: Object.fromEntries(entries) };
}

/** What the attributes of a received message say; a field of the result's own, so that there is none without a trace. */
export function fromTraceAttributes(attributes: Record<string, { StringValue?: string | undefined }> | undefined): {
  trace?: TraceCarrier;
} {
  const trace = traceCarrierSchema.parse({
    traceparent: attributes?.traceparent?.StringValue,
    tracestate: attributes?.tracestate?.StringValue,
  });
  return trace === undefined ? {} : { trace };
}

/** Runs a send as a span of what is active; gives what the message is to carry. Outside any span nothing is carried. */
export async function withSendSpan(queue: string, send: (trace: TraceCarrier | undefined) => Promise<void>) {
  if (activeTrace() === undefined) return await send(undefined);
  const attributes = { ...messaging(queue), 'messaging.operation.type': 'send', 'messaging.operation.name': 'send' };
  await withSpan(`send ${queue}`, { kind: 'producer', parent: 'active', attributes }, () => send(activeTrace()));
}

/** What there is to know of a message for its span. */
export interface TracedMessage {
  queue: string;
  receiveCount: number;
  trace?: TraceCarrier | undefined;
  /** Only where there is no `trace`: it may be in there. */
  body?: string;
}

/**
 * Runs the handling of a message as a span.
 * @param how a child of the span that sent it, or the beginning of a trace that has a link to it: a batch sends itself
 * messages for hours, of which one trace could not be looked at
 */
export async function withMessageSpan<T>(
  message: TracedMessage,
  how: 'child' | 'link',
  run: (span: OpenSpan | undefined) => Promise<T>,
): Promise<T> {
  if (!isTracing()) return await run(undefined);
  const { queue, receiveCount } = message;
  const trace = message.trace ?? traceInBody(message.body);
  return await withSpan(
    `process ${queue}`,
    {
      kind: 'consumer',
      ...(how === 'child' ? { parent: trace } : { parent: undefined, link: trace }),
      attributes: {
        ...messaging(queue),
        'messaging.operation.type': 'process',
        'messaging.operation.name': 'process',
        'penstock.receive_count': receiveCount,
      },
    },
    run,
  );
}

/** The names of https://opentelemetry.io/docs/specs/semconv/messaging/sqs/. */
function messaging(queue: string) {
  return { 'messaging.system': 'aws_sqs', 'messaging.destination.name': queue };
}

function traceInBody(body: string | undefined): TraceCarrier | undefined {
  if (body === undefined) return undefined;
  try {
    return traceCarrierSchema.parse((JSON.parse(body) as { trace?: unknown } | null)?.trace);
  } catch {
    return undefined;
  }
}
