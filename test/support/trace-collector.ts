import { type HttpReceiver, startHttpReceiver } from './http-receiver.ts';

/** A span as it came in, in OTLP's JSON. */
export interface CollectedSpan {
  /** Of its process: `penstock-<mode>`. */
  service: string;
  name: string;
  /** 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  attributes: Record<string, unknown>;
  links: { traceId: string; spanId: string }[];
  /** 2 is an error. */
  status: number | undefined;
}

export interface TraceCollector extends Pick<HttpReceiver, 'url' | 'stop'> {
  spans(): CollectedSpan[];
  /** All that came, as text. */
  text(): string;
}

type Values = { key: string; value: Record<string, unknown> }[];
type Export = {
  resourceSpans: {
    resource: { attributes: Values };
    scopeSpans: {
      spans: (Omit<CollectedSpan, 'service' | 'attributes' | 'links' | 'status'> & {
        attributes?: Values;
        links?: CollectedSpan['links'];
        status?: { code?: number };
      })[];
    }[];
  }[];
};

/** An OpenTelemetry collector, as far as exporters of spans can see: it takes them by HTTP in JSON, and keeps them. */
export async function startTraceCollector(): Promise<TraceCollector> {
  const receiver = await startHttpReceiver((_received, response) => {
    response.setHeader('content-type', 'application/json').end('{}');
  });
  const bodies = (): string[] =>
    receiver.received.filter(({ method, path }) => method === 'POST' && path === '/v1/traces').map(({ body }) => body);
  return {
    url: receiver.url,
    stop: receiver.stop,
    text: () => bodies().join('\n'),
    spans: () => bodies().flatMap((body) => spansOf(JSON.parse(body) as Export)),
  };
}

function spansOf({ resourceSpans }: Export): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans
      .flatMap(({ spans }) => spans)
      .map((span) => ({
        ...span,
        service: String(toRecord(resource.attributes)['service.name']),
        parentSpanId: span.parentSpanId || undefined,
        attributes: toRecord(span.attributes),
        links: span.links ?? [],
        status: span.status?.code,
      })),
  );
}

function toRecord(values: Values = []): Record<string, unknown> {
  return Object.fromEntries(values.map(({ key, value }) => [key, Object.values(value)[0]]));
}
