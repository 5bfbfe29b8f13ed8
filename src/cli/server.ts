import { setTimeout as delay } from 'node:timers/promises';
import { CliError } from './cli-error.ts';
import { problemText } from './problem-text.ts';

/** The Penstock server that the commands talk to, over plain HTTP: nothing of AWS is needed. */
export interface Server {
  url: string;
  /** Reads or changes something. Throws CliError with the server's own words. */
  json(method: 'GET' | 'POST', path: string, request?: JsonRequest): Promise<unknown>;
  /** Sends a body as it is, from where it lies. Throws CliError. */
  upload(path: string, body: Blob): Promise<unknown>;
  /** The answer with its body still to be read; redirects are followed without the key. Throws CliError. */
  open(
    path: string,
    request?: { accept?: string; headers?: Record<string, string>; signal?: AbortSignal },
  ): Promise<Response>;
}

interface JsonRequest {
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Where to, and as whom. */
export interface ServerAddress {
  url: string;
  key: string;
}

/** An answer other than 2xx. */
export class ServerProblem extends CliError {
  override name = 'ServerProblem';
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** Nothing was answered: refused, not found, cut off. */
export class Unreachable extends CliError {
  override name = 'Unreachable';
}

/** A server that is busy (429) or stands before one that is away (503) says when to come again. */
const mostTries = 6;
const longestWaitSeconds = 60;

/** Makes the client of one server. Nothing is asked yet. */
export function connectServer({ url, key }: ServerAddress): Server {
  const base = url.replace(/\/+$/, '');

  async function ask(path: string, init: RequestInit): Promise<Response> {
    const headers = { authorization: `Bearer ${key}`, ...(init.headers as Record<string, string>) };
    try {
      return await fetch(`${base}${path}`, { redirect: 'manual', ...init, headers });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new Unreachable(`no answer from ${base}: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** Asks again where the server asks for that; `init` is made anew for each try. */
  async function askPatiently(path: string, init: RequestInit): Promise<Response> {
    for (let tries = 1; ; tries += 1) {
      const response = await ask(path, init);
      if ((response.status !== 429 && response.status !== 503) || tries === mostTries) return response;
      const seconds = Number(response.headers.get('retry-after') ?? 1);
      await response.body?.cancel();
      await delay(Math.min(Number.isFinite(seconds) ? Math.max(seconds, 0) : 1, longestWaitSeconds) * 1000, undefined, {
        ...(init.signal && { signal: init.signal }),
      });
    }
  }

  async function bodyOf(response: Response): Promise<unknown> {
    await refuseProblems(response);
    try {
      return response.status === 204 ? undefined : await response.json();
    } catch (error) {
      throw new CliError(`${base} does not answer as Penstock does: ${reasonOf(error)}`, { cause: error });
    }
  }

  async function refuseProblems(response: Response): Promise<void> {
    if (response.ok) return;
    const text = await response.text().catch(() => '');
    throw new ServerProblem(problemText(response.status, text, base), response.status);
  }

  return {
    url: base,
    json: async (method, path, { body, headers, signal } = {}) =>
      bodyOf(
        await askPatiently(path, {
          method,
          headers: {
            accept: 'application/json',
            ...(body !== undefined && { 'content-type': 'application/json' }),
            ...headers,
          },
          ...(body !== undefined && { body: JSON.stringify(body) }),
          ...(signal && { signal }),
        }),
      ),
    // A Blob of a file is read as it is sent, has a known length, and can be sent again.
    upload: async (path, body) =>
      bodyOf(await askPatiently(path, { method: 'POST', headers: { 'content-type': body.type }, body })),
    open: async (path, { accept = '*/*', headers, signal } = {}) => {
      const init = { headers: { accept, ...headers }, ...(signal && { signal }) };
      const response = await askPatiently(path, init);
      const location = response.headers.get('location');
      if (response.status < 300 || response.status > 399 || location === null) {
        await refuseProblems(response);
        return response;
      }
      await response.body?.cancel();
      // A presigned URL: S3 refuses a request that carries a second kind of authorization.
      const target = new URL(location, `${base}${path}`);
      const stored = await fetch(target, { ...(signal && { signal }) }).catch((error: unknown) => {
        throw new Unreachable(`no answer from ${target.origin}: ${reasonOf(error)}`, { cause: error });
      });
      if (!stored.ok) throw new ServerProblem(`${target.origin} answered ${stored.status} for the file`, stored.status);
      return stored;
    },
  };
}

/** fetch says `fetch failed`; what failed is its cause, or the first of several. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof AggregateError) return reasonOf(cause.errors[0]);
  return cause instanceof Error ? reasonOf(cause) : error.message;
}
