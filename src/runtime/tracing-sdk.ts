import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Context,
  DiagLogLevel,
  defaultTextMapGetter,
  defaultTextMapSetter,
  diag,
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { TraceCarrier } from '../core/trace-carrier.ts';
import type { Logger } from './logger.ts';
import type { OpenSpan, SpanOptions, Tracing } from './span.ts';
import { samplerOf } from './trace-sampler.ts';

/**
 * The one file that loads OpenTelemetry's SDK, itself loaded where traces are on. The exporter reads its OTEL_EXPORTER_*
 * variables by itself, the detectors read OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES. Nothing is registered for
 * the whole process but the SDK's own complaints, so that a test may start it twice.
 */

const propagator = new W3CTraceContextPropagator();
const kinds: Record<SpanOptions['kind'], SpanKind> = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

export function createTracing({ mode, logger }: { mode: string; logger: Logger }): Tracing {
  const complain = (message: string): void => logger.warn({ problem: message }, 'OpenTelemetry');
  const silent = (): void => undefined;
  // Once each: the arguments behind the message may be a request with its headers.
  diag.setLogger(
    { error: complain, warn: complain, info: silent, debug: silent, verbose: silent },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const fromEnvironment = detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] });
  const own = resourceFromAttributes({ 'service.name': `penstock-${mode}`, 'penstock.mode': mode });
  const provider = new TracerProvider({
    resource: defaultResource().merge(own).merge(fromEnvironment),
    sampler: samplerOf(complain),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  });
  const tracer = provider.getTracer('penstock');
  const active = new AsyncLocalStorage<Context>();
  return {
    open(name, { kind, parent, link, attributes }) {
      const context = parent === 'active' ? (active.getStore() ?? ROOT_CONTEXT) : contextOf(parent);
      const links = linksTo(link);
      return opened(active, context, tracer.startSpan(name, { kind: kinds[kind], attributes, links }, context));
    },
    carrier: () => carrierOf(active.getStore()),
    keep() {
      const context = active.getStore() ?? ROOT_CONTEXT;
      return (run) => active.run(context, run);
    },
    stop: () => provider.shutdown(),
  };
}

function opened(active: AsyncLocalStorage<Context>, parent: Context, span: Span): OpenSpan {
  const context = trace.setSpan(parent, span);
  return {
    within: (run) => active.run(context, run),
    set: (attributes) => void span.setAttributes(attributes),
    end(errorType) {
      if (errorType !== undefined) {
        span.setAttribute('error.type', errorType);
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
      span.end();
    },
  };
}

/** A carrier that is wrong gives none. */
function contextOf(carrier: TraceCarrier | undefined): Context {
  return carrier === undefined ? ROOT_CONTEXT : propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter);
}

function linksTo(carrier: TraceCarrier | undefined): Link[] {
  const context = trace.getSpanContext(contextOf(carrier));
  return context === undefined ? [] : [{ context }];
}

/** A trace that is not sampled is told on too: else whoever comes next would begin one of its own, without the beginning. */
function carrierOf(context: Context | undefined): TraceCarrier | undefined {
  if (context === undefined) return undefined;
  const carrier: Partial<TraceCarrier> = {};
  propagator.inject(context, carrier, defaultTextMapSetter);
  const { traceparent, tracestate } = carrier;
  // An empty attribute of a message is one that SQS refuses.
  return traceparent === undefined ? undefined : { traceparent, ...(tracestate && { tracestate }) };
}
