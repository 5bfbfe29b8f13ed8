import { z } from 'zod';
import type { EmulatorState } from '../emulator-state.ts';
import { readModelBody } from '../invoke/model-body.ts';
import { BedrockError } from '../wire/errors.ts';
import type { Exchange } from '../wire/exchange.ts';
import { type AsyncInvoke, listAsyncInvokes } from './async-invoke-store.ts';

const listQuery = z.object({
  statusEquals: z.enum(['InProgress', 'Completed', 'Failed']).optional(),
  submitTimeAfter: z.iso.datetime({ offset: true }).optional(),
  submitTimeBefore: z.iso.datetime({ offset: true }).optional(),
  sortBy: z.literal('SubmissionTime').optional(),
  sortOrder: z.enum(['Ascending', 'Descending']).default('Descending'),
  maxResults: z.coerce.number().int().min(1).max(1000).default(100),
  nextToken: z.string().optional(),
});

/** `GET /async-invoke/{invocationArn}`; ResourceNotFoundException for one that nobody started here. */
export function getAsyncInvoke(state: EmulatorState, exchange: Exchange, arn: string): void {
  const invoke = state.asyncInvokes.byArn.get(arn);
  if (!invoke) throw new BedrockError('ResourceNotFoundException', 'The invocation was not found.');
  exchange.sendJson(200, show(invoke));
}

/** `GET /async-invoke`: newest first unless told otherwise. */
export function listInvokes(state: EmulatorState, exchange: Exchange): void {
  const query = readModelBody(listQuery, Object.fromEntries(exchange.query));
  const { page, nextToken } = listAsyncInvokes(state.asyncInvokes, {
    status: query.statusEquals,
    submittedAfterMs: query.submitTimeAfter === undefined ? undefined : Date.parse(query.submitTimeAfter),
    submittedBeforeMs: query.submitTimeBefore === undefined ? undefined : Date.parse(query.submitTimeBefore),
    oldestFirst: query.sortOrder === 'Ascending',
    maxResults: query.maxResults,
    nextToken: query.nextToken,
  });
  exchange.sendJson(200, { asyncInvokeSummaries: page.map(show), nextToken });
}

/** The same members in both reads. `s3Uri` is the folder of this invocation, not the one that was asked for. */
function show(invoke: AsyncInvoke): Record<string, unknown> {
  return {
    invocationArn: invoke.arn,
    modelArn: invoke.modelArn,
    clientRequestToken: invoke.clientRequestToken,
    status: invoke.status,
    failureMessage: invoke.failureMessage,
    submitTime: new Date(invoke.submittedAtMs).toISOString(),
    lastModifiedTime: new Date(invoke.modifiedAtMs).toISOString(),
    endTime: invoke.endedAtMs === undefined ? undefined : new Date(invoke.endedAtMs).toISOString(),
    outputDataConfig: { s3OutputDataConfig: { s3Uri: `${invoke.s3Uri}/${invoke.id}` } },
  };
}
