import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { freePort } from './free-port.ts';

export type DuplicatingSqsOptions = {
  /** The real SQS, `http://host:port`. */
  target: string;
  /** Of every so many messages sent, one is sent a second time; 5 by default. */
  duplicateEvery?: number;
  /** Of every so many messages received, one is made visible again while its receiver works on it; left out: none. */
  redeliverEvery?: number;
};

export type DuplicatingSqs = {
  url: string;
  /** Messages that were sent a second time. */
  duplicated(): number;
  /** Messages that were made visible again. */
  redelivered(): number;
  /** Rejects when a repetition was refused: then the counters promised more than was done. */
  stop(): Promise<void>;
};

type SendEntry = { Id: string };
type Call = { action: string; headers: IncomingMessage['headers']; body: string };
type Answer = { status: number; headers: IncomingMessage['headers']; body: string };

/**
 * At-least-once delivery at its worst, below the SDK: an HTTP proxy in front of SQS that passes everything on as it is,
 * and sends one message in five once more (same body, attributes and group) before its sender has the answer.
 * Only requests that SQS accepted count, in a batch only the entries that it accepted.
 */
export async function startDuplicatingSqs(options: DuplicatingSqsOptions): Promise<DuplicatingSqs> {
  const { target, duplicateEvery = 5, redeliverEvery } = options;
  const agent = new Agent({ keepAlive: true });
  const sent = everyNth(duplicateEvery);
  const received = everyNth(redeliverEvery ?? Number.POSITIVE_INFINITY);
  const post = (call: Call, gone?: AbortSignal): Promise<Answer> => forward(target, agent, call, gone);

  const problems: string[] = [];
  const repeat = async (call: Call): Promise<void> => {
    const { status, body } = await post(call);
    if (status !== 200 || body.includes('"Failed":[{')) problems.push(`a repetition was answered ${status} ${body}`);
  };
  const afterwards = async (call: Call, answer: Answer): Promise<void> => {
    if (answer.status !== 200) return;
    if (call.action === 'SendMessage' && sent.hit()) await repeat(call);
    if (call.action === 'SendMessageBatch') {
      const again = entriesToRepeat(call.body, answer.body, sent.hit);
      if (again) await repeat({ ...call, body: again });
    }
  };
  const redeliver = async (call: Call, answer: Answer): Promise<void> => {
    if (call.action !== 'ReceiveMessage' || answer.status !== 200) return;
    const { Messages = [] } = JSON.parse(answer.body) as { Messages?: { ReceiptHandle: string }[] };
    const { QueueUrl } = JSON.parse(call.body) as { QueueUrl: string };
    for (const { ReceiptHandle } of Messages) {
      if (!received.hit()) continue;
      const headers = { ...call.headers, 'x-amz-target': 'AmazonSQS.ChangeMessageVisibility' };
      const body = JSON.stringify({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 });
      await post({ action: 'ChangeMessageVisibility', headers, body });
    }
  };

  const server = createServer(async (incoming, outgoing) => {
    try {
      const call = await readCall(incoming);
      const answer = await post(call, hungUp(outgoing));
      await afterwards(call, answer);
      outgoing.writeHead(answer.status, withoutHopByHop(answer.headers)).end(answer.body);
      await redeliver(call, answer);
    } catch {
      // Whatever went wrong behind looks to the client like what it is: a broken connection.
      outgoing.destroy();
    }
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${port}`,
    duplicated: sent.hits,
    redelivered: received.hits,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      agent.destroy();
      await closed;
      if (problems.length > 0) throw new Error(problems.join('\n'));
    },
  };
}

/** Counts, and says of each whether it is an nth one. */
function everyNth(n: number): { hit(): boolean; hits(): number } {
  let seen = 0;
  let hits = 0;
  return {
    hit: () => {
      const isHit = ++seen % n === 0;
      if (isHit) hits += 1;
      return isHit;
    },
    hits: () => hits,
  };
}

/** The batch that repeats each nth of the accepted entries; undefined when none is to be repeated. */
function entriesToRepeat(sent: string, answered: string, hit: () => boolean): string | undefined {
  const batch = JSON.parse(sent) as { Entries: SendEntry[] };
  const { Successful = [] } = JSON.parse(answered) as { Successful?: SendEntry[] };
  const ids = new Set(Successful.map((entry) => entry.Id));
  const again = batch.Entries.filter((entry) => ids.has(entry.Id)).filter(hit);
  return again.length === 0 ? undefined : JSON.stringify({ ...batch, Entries: again });
}

async function readCall(incoming: IncomingMessage): Promise<Call> {
  const action = String(incoming.headers['x-amz-target'] ?? '').replace('AmazonSQS.', '');
  return { action, headers: incoming.headers, body: await text(incoming) };
}

/** Aborts when the client goes before its answer: a long poll behind it would else receive messages for nobody. */
function hungUp(outgoing: ServerResponse): AbortSignal {
  const gone = new AbortController();
  outgoing.once('close', () => gone.abort());
  return gone.signal;
}

function forward(target: string, agent: Agent, { headers, body }: Call, gone?: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = { ...withoutHopByHop(headers), 'content-length': Buffer.byteLength(body) };
    const outgoing = request(target, {
      method: 'POST',
      path: '/',
      agent,
      headers: sent,
      ...(gone && { signal: gone }),
    });
    outgoing.once('error', reject);
    outgoing.once('response', async (response) => {
      try {
        resolve({ status: response.statusCode ?? 502, headers: response.headers, body: await text(response) });
      } catch (error) {
        reject(error);
      }
    });
    outgoing.end(body);
  });
}

/** Headers that belong to one connection, not to the message (RFC 9110, 7.6.1); the lengths are set anew. */
function withoutHopByHop(headers: IncomingMessage['headers']): IncomingMessage['headers'] {
  const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, 'content-length': ____, ...rest } = headers;
  return rest;
}
