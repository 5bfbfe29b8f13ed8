import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Pipelines } from '../runtime/config-files.ts';
import type { ProcessDeps } from '../runtime/process-deps.ts';
import type { StateDeps } from '../state/state-deps.ts';
import type { Hub } from './live/hub.ts';

/** What the api works with. All its clocks are `state.now`. */
export interface ApiDeps extends ProcessDeps {
  state: StateDeps;
  /** Those that batches may name. */
  pipelines: Pipelines;
  /** What the clients of this process wait for. */
  hub: Hub;
  /** How often a followed batch is looked at while it changes, if not the usual. */
  batchLookMs?: number;
}

/** The server, whose routes take their types from their zod schemas. */
export type Api = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;
