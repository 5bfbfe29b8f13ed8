import type { TraceCarrier } from '../core/trace-carrier.ts';
import type { Config } from './config.ts';
import type { Logger } from './logger.ts';
import type { Stop } from './process-deps.ts';
import type { OpenSpan, SpanOptions, Tracing } from './span.ts';

/**
 * Traces of this process. Off, as they are by default, nothing of OpenTelemetry is loaded, runs go straight through, and
 * messages carry nothing. One for the process, like the context that it follows: what is active is known by whose call a
 * piece of code is in, and not by what was handed to it.
 */

let tracing: Tracing | undefined;

/**
 * How long the end of a process waits for the last spans: it comes after the drain and the hand-back, so all that is left
 * of the platform's patience by default is 3 s. A collector that is away must not turn a clean exit into a forced one.
 */
const flushMs = 1_000;

/** Begins to trace, where the configuration says so. The stop sends what is left, for a second at most. */
export async function startTracing(
  config: Pick<Config, 'traces'>,
  { mode, logger }: { mode: string; logger: Logger },
): Promise<Stop> {
  if (!config.traces) return async () => undefined;
  const { createTracing } = await import('./tracing-sdk.ts');
  const started = createTracing({ mode, logger });
  tracing = started;
  return async () => {
    tracing = undefined;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, flushMs);
    await Promise.race([late, started.stop().catch((error: unknown) => logger.warn({ err: error }, 'lost spans'))]);
    clearTimeout(timer);
  };
}

/** Undefined: off. The caller ends it. */
export function openSpan(name: string, options: SpanOptions): OpenSpan | undefined {
  return tracing?.open(name, options);
}

/** Runs it as a span; what it throws is thrown on, and its code (or class) noted. Off: just runs it, without a span. */
export async function withSpan<T>(
  name: string,
  options: SpanOptions,
  run: (span: OpenSpan | undefined) => Promise<T>,
): Promise<T> {
  const span = openSpan(name, options);
  if (span === undefined) return await run(undefined);
  try {
    const result = await span.within(() => run(span));
    span.end();
    return result;
  } catch (error) {
    span.end(errorType(error));
    throw error;
  }
}

/** Which span is active here, for whoever handles what goes out from here. Undefined: none, or off. */
export function activeTrace(): TraceCarrier | undefined {
  return tracing?.carrier();
}

/** The same as a field of a message's body. */
export function traceField(): { trace?: TraceCarrier } {
  const trace = activeTrace();
  return trace === undefined ? {} : { trace };
}

/** Whether this process traces at all. */
export function isTracing(): boolean {
  return tracing !== undefined;
}

/** For work that is begun later, from elsewhere: what the returned function runs is in the span that is active now. */
export function keepSpan(): <T>(run: () => T) => T {
  return tracing?.keep() ?? ((run) => run());
}

function errorType(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : error.name;
}
