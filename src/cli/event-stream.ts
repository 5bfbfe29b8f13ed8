export interface ServerEvent {
  type: string;
  data: string;
  id?: string;
}

/** A server that says nothing at all for this long (it sends a comment every 15 s) is not there any more. */
const silenceMs = 60_000;

/**
 * The events of a `text/event-stream` answer, until it ends (HTML standard, server-sent events). A stream that breaks off,
 * or falls silent, throws.
 */
export async function* readEvents(response: Response): AsyncGenerator<ServerEvent> {
  if (response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await withinSilence(reader.read());
      if (done) return;
      const blocks = (rest + value).replaceAll('\r\n', '\n').split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const event = parseEvent(block);
        if (event !== undefined) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function withinSilence<T>(reading: Promise<T>): Promise<T> {
  const silence = Promise.withResolvers<never>();
  const timer = setTimeout(() => silence.reject(new Error('the event stream fell silent')), silenceMs);
  try {
    return await Promise.race([reading, silence.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Undefined for a block without data: a comment. */
function parseEvent(block: string): ServerEvent | undefined {
  const fields = block.split('\n').map((line) => /^(\w+):? ?(.*)$/.exec(line)?.slice(1) ?? []);
  const last = (name: string): string | undefined => fields.findLast(([field]) => field === name)?.[1];
  const data = fields.flatMap(([field, value]) => (field === 'data' ? [value] : []));
  if (data.length === 0) return undefined;
  const id = last('id');
  return { type: last('event') ?? 'message', data: data.join('\n'), ...(id !== undefined && { id }) };
}
