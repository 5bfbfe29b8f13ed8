import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export type StubCall = {
  /** `/model/<id>/converse`, decoded. */
  path: string;
  /** The body as it came over the wire. */
  body: string;
};

export type StubAnswer = {
  status?: number;
  /** The error's name, as Bedrock puts it into `x-amzn-ErrorType`. */
  errorType?: string;
  body: unknown;
};

export type BedrockStub = {
  url: string;
  calls: StubCall[];
  /** How the calls from now on are answered, in order; the last answer stays. */
  answer(...answers: StubAnswer[]): void;
  stop(): Promise<void>;
};

/** The answer of a Converse that went well. */
export function converseAnswer(content: unknown[]): StubAnswer {
  return {
    body: {
      output: { message: { role: 'assistant', content } },
      stopReason: 'end_turn',
      usage: { inputTokens: 10, outputTokens: 5, totalTokens: 15 },
      metrics: { latencyMs: 1 },
    },
  };
}

/** A server in Bedrock's place that answers what it is told and keeps what it was asked: HTTP/2 without TLS, as the SDK speaks it. */
export async function startBedrockStub(): Promise<BedrockStub> {
  const calls: StubCall[] = [];
  let answers: StubAnswer[] = [converseAnswer([{ text: 'stub' }])];
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  server.on('stream', async (stream: ServerHttp2Stream, headers) => {
    calls.push({ path: decodeURIComponent(String(headers[':path'])), body: await text(stream) });
    const next = answers.length > 1 ? answers.shift() : answers[0];
    const { status = 200, errorType, body } = next ?? { body: {} };
    stream.respond({
      ':status': status,
      'content-type': 'application/json',
      ...(errorType !== undefined && { 'x-amzn-errortype': errorType }),
    });
    stream.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    answer: (...given) => {
      answers = given;
    },
    stop: async () => {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
