import type { Attributes } from '@opentelemetry/api';
import type { TraceCarrier } from '../core/trace-carrier.ts';
import type { Stop } from './process-deps.ts';

/** Names, numbers and ids. Never a prompt, an answer, a key, or the text of an error, which may quote them. */
export type SpanAttributes = Attributes;

export interface SpanOptions {
  kind: 'server' | 'client' | 'producer' | 'consumer';
  /** The span that is active here, the one that sent a message or request, or none: then it begins a trace. */
  parent: 'active' | TraceCarrier | undefined;
  /** Another trace that led to this one. */
  link?: TraceCarrier | undefined;
  attributes: SpanAttributes;
}

export interface OpenSpan {
  /** Runs it with the span as the active one. */
  within<T>(run: () => T): T;
  set(attributes: SpanAttributes): void;
  /** Once. With a type of error (a code, a class) the span counts as failed. */
  end(errorType?: string): void;
}

/** What the SDK's side offers. */
export interface Tracing {
  open(name: string, options: SpanOptions): OpenSpan;
  /** What says which span is active, of a trace that is not sampled too; undefined outside any. */
  carrier(): TraceCarrier | undefined;
  /** Keeps what is active now: what the returned function runs is in it, whenever that is. */
  keep(): <T>(run: () => T) => T;
  /** Sends what has not been sent yet. */
  stop: Stop;
}
