/**
 * The `data` of each server-sent event of `body`, up to `[DONE]` or the end
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html). Other fields are left out: OpenAI's stream has none.
 */
export async function* readServerEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true });
    const lines = rest.split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const data = dataOf(line);
      if (data === '[DONE]') return;
      if (data) yield data;
    }
  }
  const last = dataOf(rest);
  if (last && last !== '[DONE]') yield last;
}

function dataOf(line: string): string | undefined {
  return line.startsWith('data:') ? line.slice('data:'.length).trim() : undefined;
}
