import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceProcess } from './service-process.ts';

/** A job as callers see it: the fields that tests look at most, and all others. */
export type JobView = {
  id: string;
  status: string;
  attempts: number;
  output?: unknown;
  error?: { code: string; message: string; retryable: boolean };
  [field: string]: unknown;
};

type CallOptions = {
  /** Left out: the running api processes in turn. */
  api?: ServiceProcess | undefined;
  /** Left out: `local-demo-key`. */
  key?: string | undefined;
  headers?: Record<string, string>;
  body?: unknown;
};

/** `body` is parsed where it is JSON, else the text. */
type Answer = { status: number; headers: Headers; body: unknown };

export type JobClient = {
  /** One request as it is; rejects only where there is no HTTP answer. */
  request(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** Submits a job and gives it back as accepted; rejects, with the problem, unless the answer is a 2xx. */
  submit(
    job: object,
    options?: Pick<CallOptions, 'api' | 'key'> & { idempotencyKey?: string | undefined },
  ): Promise<JobView>;
  /** Reads a job; rejects, with the problem, unless the answer is 200. */
  job(id: string, options?: Pick<CallOptions, 'api' | 'key'>): Promise<JobView>;
  /**
   * Waits until all jobs are final and gives them back in the order of `ids`. An api that is away, or answers 5xx or 429,
   * only delays it; a 404 is a lost job and ends it at once. When `timeoutMs` (default 60,000) is over it rejects, with
   * the number of unfinished jobs and the state of the first of them.
   */
  waitForFinal(ids: readonly string[], options?: { timeoutMs?: number; key?: string }): Promise<JobView[]>;
};

const ANSWER_WITHIN_MS = 30_000;
const final = ['succeeded', 'failed', 'cancelled', 'expired'];
/** Jobs read at once. Waiting must not be the load that is tested. */
const READ_AT_ONCE = 8;
const FIRST_GAP_MS = 50;
const LONGEST_GAP_MS = 1_000;

/** `apis` gives the api processes as they are now. */
export function jobClient(apis: () => readonly ServiceProcess[]): JobClient {
  let turn = 0;
  const next = (): ServiceProcess => {
    const running = apis().filter((api) => api.running());
    const api = running[turn++ % running.length];
    if (!api) throw new Error('no api process runs');
    return api;
  };
  const request: JobClient['request'] = async (method, path, { api, key, headers, body } = {}) => {
    const response = await fetch(`${(api ?? next()).url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key ?? 'local-demo-key'}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    return { status: response.status, headers: response.headers, body: parse(await response.text()) };
  };
  const job: JobClient['job'] = async (id, options = {}) => {
    const answer = await request('GET', `/v1/jobs/${id}`, options);
    return expectJob(answer, answer.status === 200, `GET of job ${id}`);
  };
  return {
    request,
    job,
    submit: async (body, { idempotencyKey, ...options } = {}) => {
      const headers = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
      const answer = await request('POST', '/v1/jobs', { ...options, headers, body });
      return expectJob(answer, answer.status >= 200 && answer.status < 300, 'submit');
    },
    waitForFinal: async (ids, { timeoutMs = 60_000, key } = {}) => {
      const deadline = Date.now() + timeoutMs;
      const finished = new Map<string, JobView>();
      const lastSeen = new Map<string, string>();
      let gapMs = FIRST_GAP_MS;
      for (;;) {
        const before = finished.size;
        await readRound(ids, finished, lastSeen, (id) => request('GET', `/v1/jobs/${id}`, { key }));
        if (finished.size === new Set(ids).size) return ids.map((id) => finished.get(id) as JobView);
        if (Date.now() >= deadline) throw new Error(unfinished(ids, finished, lastSeen, timeoutMs));
        gapMs = finished.size > before ? FIRST_GAP_MS : Math.min(gapMs * 1.5, LONGEST_GAP_MS);
        await delay(Math.min(gapMs, Math.max(1, deadline - Date.now())));
      }
    },
  };
}

/** Reads unfinished jobs, oldest first, a few at once, until a whole group is unfinished: those behind wait longer still. */
async function readRound(
  ids: readonly string[],
  finished: Map<string, JobView>,
  lastSeen: Map<string, string>,
  read: (id: string) => Promise<Answer>,
): Promise<void> {
  const open = ids.filter((id) => !finished.has(id));
  for (let start = 0; start < open.length; start += READ_AT_ONCE) {
    const group = open.slice(start, start + READ_AT_ONCE);
    const ended = await Promise.all(
      group.map(async (id) => {
        const answer = await read(id).catch((error: unknown) => String(error));
        if (typeof answer === 'string') return lastSeen.set(id, answer) && false;
        if (answer.status === 404) throw new Error(`job ${id} is lost: ${JSON.stringify(answer.body)}`);
        const view = answer.body as JobView;
        lastSeen.set(id, answer.status === 200 ? view.status : `${answer.status} ${JSON.stringify(answer.body)}`);
        if (answer.status === 200 && final.includes(view.status)) return Boolean(finished.set(id, view));
        return false;
      }),
    );
    if (!ended.some(Boolean)) return;
  }
}

function unfinished(
  ids: readonly string[],
  finished: ReadonlyMap<string, JobView>,
  lastSeen: ReadonlyMap<string, string>,
  timeoutMs: number,
): string {
  const open = ids.filter((id) => !finished.has(id));
  const shown = open.slice(0, 10).map((id) => `${id}: ${lastSeen.get(id) ?? 'not read yet'}`);
  return [`${open.length} of ${ids.length} jobs are unfinished after ${timeoutMs} ms`, ...shown].join('\n');
}

function expectJob(answer: Answer, expected: boolean, what: string): JobView {
  if (!expected) throw new Error(`${what} was answered with ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body as JobView;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
