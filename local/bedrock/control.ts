import { z } from 'zod';
import { addFault, clearFaults, FAULT_KINDS } from './call/faults.ts';
import { overrideModel, resetModel } from './call/model-settings.ts';
import { clearStats, showStats } from './call/stats.ts';
import type { EmulatorState } from './emulator-state.ts';
import { decodeSegment, type Exchange } from './wire/exchange.ts';

/** The part of the emulator that Bedrock does not have: what tests and benchmarks steer it by. */
export const CONTROL_PREFIX = '/_emulator/';

const positive = z.number().positive();
const faultBody = z.strictObject({
  modelId: z.string().min(1).optional(),
  kind: z.enum(FAULT_KINDS),
  rate: z.number().min(0).max(1).optional(),
  count: z.int().min(1).optional(),
});
const latency = z.strictObject({
  firstTokenMs: z.number().min(0),
  perTokenMs: z.number().min(0),
  spread: z.number().min(0),
});
const modelBody = z.strictObject({
  requestsPerMinute: positive.optional(),
  tokensPerMinute: positive.optional(),
  burndown: positive.optional(),
  window: z.enum(['continuous', 'sliding', 'fixed']).optional(),
  latency: z.union([z.literal(0), latency]).optional(),
});

/**
 * Answers a control call: 200 with JSON for reads, 204 for changes, 400 naming the wrong field, 404.
 *
 * - `GET health`
 * - `GET stats`, `DELETE stats`
 * - `PUT faults` adds one (`Fault` in faults.ts), `DELETE faults` removes all
 * - `PUT models/{modelId}` sets some of `ModelOverrides` and keeps the rest, `DELETE models/{modelId}` resets all; a
 *   quota that changes begins anew, with nothing used
 *
 * An agent is the model `agent:<agentId>` here, a knowledge base the model `kb:<knowledgeBaseId>`.
 */
export async function control(state: EmulatorState, exchange: Exchange): Promise<void> {
  const path = exchange.path.slice(CONTROL_PREFIX.length);
  const modelId = path.startsWith('models/') ? decodeSegment(path.slice('models/'.length)) : undefined;
  const call = modelId ? `${exchange.method} models/{modelId}` : `${exchange.method} ${path}`;
  switch (call) {
    case 'GET health':
      return exchange.sendJson(200, { status: 'ok' });
    case 'GET stats':
      return exchange.sendJson(200, showStats(state.stats));
    case 'DELETE stats':
      clearStats(state.stats);
      return sendNothing(exchange);
    case 'PUT faults':
      return change(exchange, faultBody, (fault) => addFault(state.faults, fault));
    case 'DELETE faults':
      clearFaults(state.faults);
      return sendNothing(exchange);
    case 'PUT models/{modelId}':
      return change(exchange, modelBody, (overrides) => overrideModel(state.models, modelId ?? '', overrides));
    case 'DELETE models/{modelId}':
      resetModel(state.models, modelId ?? '');
      return sendNothing(exchange);
    default:
      return exchange.sendJson(404, { message: `There is no ${exchange.method} ${exchange.path} here.` });
  }
}

async function change<Schema extends z.ZodType>(
  exchange: Exchange,
  schema: Schema,
  apply: (value: z.infer<Schema>) => void,
): Promise<void> {
  const read = schema.safeParse(await exchange.readJson());
  if (!read.success) {
    const errors = read.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`);
    return exchange.sendJson(400, { message: errors.join('; ') });
  }
  apply(read.data);
  sendNothing(exchange);
}

function sendNothing(exchange: Exchange): void {
  exchange.sendBytes(204, new Uint8Array(), {});
}
