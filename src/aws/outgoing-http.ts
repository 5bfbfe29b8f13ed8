import { lookup as askDns } from 'node:dns/promises';
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { addressClass } from './outgoing-address.ts';
import { OutgoingError } from './outgoing-error.ts';
import { checkedUrl } from './outgoing-url.ts';

/**
 * Requests to URLs that callers name: webhooks, and the data sources of fan-outs. The address that the socket connects to
 * is what is checked: literal ones in the URL, those of names in the agent's own `lookup`, whose answer is dialled without
 * a second look. A check by a look-up before would be passed by a name that answers otherwise the next time (DNS
 * rebinding). Every answer must be allowed, not only the first. Sockets are not kept: each request is checked anew.
 */
export interface OutgoingHttp {
  /**
   * Sends one request and reads the whole answer, whatever its status below 300 or from 400 on. Not safe to run twice,
   * unless the receiver says so. Throws OutgoingError; an abort by `signal` throws that signal's reason.
   */
  request(url: string, options: OutgoingRequest): Promise<OutgoingAnswer>;
}

export interface OutgoingRequest {
  method: string;
  headers: Record<string, string>;
  body?: string | Uint8Array;
  /** From the look-up to the last byte of the answer; at most 10,000. */
  timeoutMs: number;
  /** Of the answer's body. */
  mostBytes: number;
  signal?: AbortSignal;
}

export interface OutgoingAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Longer would let a few slow receivers hold all that this process may have under way. */
export const longestTimeoutMs = 10_000;

export interface OutgoingHttpOptions {
  /** Private and loopback addresses, and plain http, are asked too. */
  localMode: boolean;
  /** All addresses of a name; the system's resolver by default. */
  lookup?: (host: string) => Promise<{ address: string; family: number }[]>;
}

/** Makes the guarded client. Holds nothing open between requests. The proxy variables of the environment are not read. */
export function createOutgoingHttp({ localMode, lookup = systemLookup }: OutgoingHttpOptions): OutgoingHttp {
  const guarded = guardedLookup(localMode, lookup);
  const httpAgent = new HttpAgent({ lookup: guarded });
  const httpsAgent = new HttpsAgent({ lookup: guarded });
  return {
    async request(url, options) {
      if (options.timeoutMs > longestTimeoutMs) throw new RangeError(`timeoutMs is at most ${longestTimeoutMs}`);
      const target = checkedUrl(url, localMode);
      options.signal?.throwIfAborted();
      return await send(target, target.protocol === 'https:' ? httpsAgent : httpAgent, options);
    },
  };
}

const systemLookup = (host: string) => askDns(host, { all: true });

function guardedLookup(localMode: boolean, lookup: NonNullable<OutgoingHttpOptions['lookup']>): LookupFunction {
  return (host, options, callback) => {
    lookup(host).then(
      (found) => {
        const [first] = found;
        if (first === undefined) return callback(new OutgoingError('unreachable', 'the name has no address'), []);
        const isAllowed = ({ address }: { address: string }) =>
          addressClass(address) === 'public' || (localMode && addressClass(address) === 'local');
        if (!found.every(isAllowed))
          return callback(new OutgoingError('address_refused', 'the name leads to an address that is not called'), []);
        // Node asks for all where it races IPv6 with IPv4, and for one otherwise.
        if (options.all === true) callback(null, found);
        else callback(null, first.address, first.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, []),
    );
  };
}

function send(url: URL, agent: HttpAgent, options: OutgoingRequest): Promise<OutgoingAnswer> {
  const { method, headers, body, timeoutMs, mostBytes, signal } = options;
  return new Promise((resolve, reject) => {
    let status: number | undefined;
    // The first cause wins; what the destroyed socket says after it is only its echo.
    const fail = (error: unknown): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
      reject(error);
      call.destroy();
    };
    const aborted = (): void => fail(signal?.reason);
    const broken = (error: Error): void => fail(toOutgoingError(error, status));
    const ask = url.protocol === 'https:' ? httpsRequest : httpRequest;
    // Throws for headers that are none: before the timer runs.
    const call = ask(url, { method, headers, agent }, (response) => {
      status = response.statusCode as number;
      if (status >= 300 && status < 400)
        return fail(new OutgoingError('redirected', `the answer was ${status}`, { status }));
      readBody(response, mostBytes).then((read) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
        resolve({ status: response.statusCode as number, headers: response.headers, body: read });
      }, broken);
    });
    const timer = setTimeout(
      () => fail(new OutgoingError('timed_out', `no whole answer within ${timeoutMs} ms`, { status })),
      timeoutMs,
    );
    signal?.addEventListener('abort', aborted, { once: true });
    call.on('error', broken);
    call.end(body);
  });
}

async function readBody(response: IncomingMessage, mostBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > mostBytes)
      throw new OutgoingError('too_large', `the answer has more than ${mostBytes} bytes`, {
        status: response.statusCode,
      });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Only the code of the system's error: its text names addresses. */
function toOutgoingError(error: Error & { code?: string }, status: number | undefined): OutgoingError {
  if (error instanceof OutgoingError) return error;
  return new OutgoingError('unreachable', error.code ?? error.name, { status, cause: error });
}
