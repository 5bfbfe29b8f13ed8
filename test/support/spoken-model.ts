import { createServer, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { freePort } from './free-port.ts';

/** A model behind the Bedrock emulator that says what the test tells it to, when the test tells it to. */
export type SpokenModel = {
  /** For `EMULATOR_UPSTREAM_URL`. */
  url: string;
  /** The last user text of each stream that is open now. */
  prompts(): string[];
  /** Says the next piece of every open stream. */
  say(pieceFor: (prompt: string) => string): void;
  /** Goes on saying pieces, each of them only once, in every open stream; the returned function ends that. */
  talk(words: string): () => void;
  /** Ends every open stream. */
  end(): void;
  stop(): Promise<void>;
};

/** Twice as often as frames come. */
const betweenPiecesMs = 50;

/** Speaks OpenAI's chat completions, streamed. */
export async function startSpokenModel(): Promise<SpokenModel> {
  let said = 0;
  let talking: NodeJS.Timeout | undefined;
  const open = new Map<ServerResponse, string>();
  const finish = (response: ServerResponse): void => {
    open.delete(response);
    response.end(`data: ${JSON.stringify({ choices: [{ delta: {}, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`);
  };
  const server = createServer(async (request, response) => {
    const { messages } = JSON.parse(await text(request)) as { messages: { content: string }[] };
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    open.set(response, messages.at(-1)?.content ?? '');
    response.once('close', () => open.delete(response));
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const say: SpokenModel['say'] = (pieceFor) => {
    for (const [response, prompt] of open)
      response.write(`data: ${JSON.stringify({ choices: [{ delta: { content: pieceFor(prompt) } }] })}\n\n`);
  };
  return {
    url: `http://127.0.0.1:${port}`,
    prompts: () => [...open.values()],
    say,
    talk(words) {
      talking = setInterval(() => say((prompt) => `${prompt}: ${words} ${++said}. `), betweenPiecesMs);
      return () => clearInterval(talking);
    },
    end() {
      for (const response of open.keys()) finish(response);
    },
    stop: async () => {
      clearInterval(talking);
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
