import { isDeepStrictEqual } from 'node:util';
import { BedrockError } from '../wire/errors.ts';

type AsyncInvokeStatus = 'InProgress' | 'Completed' | 'Failed';

/** One asynchronous invocation, for the life of the process. */
export type AsyncInvoke = {
  id: string;
  arn: string;
  modelArn: string;
  clientRequestToken: string | undefined;
  /** Where the request wants its output; the files are in `<s3Uri>/<id>/`. */
  s3Uri: string;
  status: AsyncInvokeStatus;
  failureMessage?: string;
  submittedAtMs: number;
  modifiedAtMs: number;
  endedAtMs?: number;
  /** As sent: a repeat of its token with another one is a conflict. */
  request: unknown;
};

/** Newest last; `running` is what `stop` has to end. */
export type AsyncInvokes = {
  byArn: Map<string, AsyncInvoke>;
  byToken: Map<string, AsyncInvoke>;
  stopping: AbortController;
};

export function createAsyncInvokes(): AsyncInvokes {
  return { byArn: new Map(), byToken: new Map(), stopping: new AbortController() };
}

export function addAsyncInvoke(invokes: AsyncInvokes, invoke: AsyncInvoke): void {
  invokes.byArn.set(invoke.arn, invoke);
  if (invoke.clientRequestToken !== undefined) invokes.byToken.set(invoke.clientRequestToken, invoke);
}

/** The invocation that an equal request with this token has started already; ConflictException if it was not equal. */
export function findRepeated(
  invokes: AsyncInvokes,
  token: string | undefined,
  request: unknown,
): AsyncInvoke | undefined {
  const earlier = token === undefined ? undefined : invokes.byToken.get(token);
  if (earlier && !isDeepStrictEqual(earlier.request, request)) {
    throw new BedrockError('ConflictException', 'The clientRequestToken was used with a different request.');
  }
  return earlier;
}

export type AsyncInvokeFilter = {
  status: AsyncInvokeStatus | undefined;
  submittedAfterMs: number | undefined;
  submittedBeforeMs: number | undefined;
  oldestFirst: boolean;
  maxResults: number;
  /** From the page before. */
  nextToken: string | undefined;
};

/** A page of invocations; throws ValidationException for a token that no page gave. */
export function listAsyncInvokes(invokes: AsyncInvokes, filter: AsyncInvokeFilter) {
  const inOrder = [...invokes.byArn.values()];
  if (!filter.oldestFirst) inOrder.reverse();
  let start = 0;
  if (filter.nextToken !== undefined) {
    start = inOrder.findIndex((invoke) => invoke.id === filter.nextToken) + 1;
    if (start === 0) throw new BedrockError('ValidationException', 'The nextToken is not valid.');
  }
  const matching = inOrder.slice(start).filter((invoke) => matches(invoke, filter));
  const page = matching.slice(0, filter.maxResults);
  return { page, nextToken: matching.length > page.length ? page.at(-1)?.id : undefined };
}

function matches(invoke: AsyncInvoke, filter: AsyncInvokeFilter): boolean {
  if (filter.status !== undefined && invoke.status !== filter.status) return false;
  if (filter.submittedAfterMs !== undefined && invoke.submittedAtMs <= filter.submittedAfterMs) return false;
  return filter.submittedBeforeMs === undefined || invoke.submittedAtMs < filter.submittedBeforeMs;
}
