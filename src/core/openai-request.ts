/**
 * The body of an OpenAI chat completion as a Converse request. What has no counterpart is refused by name, never left out.
 * Source: https://platform.openai.com/docs/api-reference/chat/create
 */

type Json = Record<string, unknown>;

export type Converted = { input: Json } | { problem: string };

/** Members that say nothing about the answer itself: who asks, and how it is kept and billed. */
const without = new Set([
  'model',
  'user',
  'metadata',
  'store',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
]);
const served = new Set([
  ...without,
  'messages',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'stop',
  'tools',
  'tool_choice',
  'n',
  'stream',
]);

class Refused extends Error {}

/** Never throws. */
export function converseOf(body: Json): Converted {
  try {
    return { input: convert(body) };
  } catch (error) {
    if (error instanceof Refused) return { problem: error.message };
    throw error;
  }
}

function convert(body: Json): Json {
  for (const name of Object.keys(body)) if (!served.has(name)) refuse(`body.${name} has no counterpart in Converse`);
  if (body.n !== undefined && body.n !== null && body.n !== 1) refuse('body.n: one answer a record');
  if (body.stream === true) refuse('body.stream: a batch does not stream');
  if (!Array.isArray(body.messages)) refuse('body.messages: must be an array');
  const messages = body.messages as unknown[];
  const said = messages.map((message, index) => [message, `body.messages[${index}]`] as const);
  const isSystem = (message: unknown) =>
    isObject(message) && (message.role === 'system' || message.role === 'developer');
  const system = said.filter(([message]) => isSystem(message)).flatMap(([message, path]) => textBlocks(message, path));
  const turns = said.filter(([message]) => !isSystem(message)).map(([message, path]) => turnOf(message, path));
  return {
    ...(system.length > 0 && { system }),
    messages: merged(turns),
    ...inferenceConfig(body),
    ...toolConfig(body),
  };
}

interface Turn {
  role: 'user' | 'assistant';
  content: Json[];
}

function turnOf(message: unknown, path: string): Turn {
  if (!isObject(message)) return refuse(`${path}: must be an object`);
  if (message.role === 'user') return { role: 'user', content: contentOf(message.content, `${path}.content`) };
  if (message.role === 'tool') return { role: 'user', content: [toolResult(message, path)] };
  if (message.role !== 'assistant')
    return refuse(`${path}.role: must be one of system, developer, user, assistant, tool`);
  const hasText = message.content !== undefined && message.content !== null && message.content !== '';
  const text = hasText ? contentOf(message.content, `${path}.content`) : [];
  const calls = Array.isArray(message.tool_calls) ? message.tool_calls : [];
  return {
    role: 'assistant',
    content: [...text, ...calls.map((call: unknown, index) => toolUse(call, `${path}.tool_calls[${index}]`))],
  };
}

/** Converse wants the roles in turn; OpenAI does not. */
function merged(turns: readonly Turn[]): Turn[] {
  const together: Turn[] = [];
  for (const turn of turns) {
    const last = together.at(-1);
    if (last?.role === turn.role) last.content.push(...turn.content);
    else together.push({ role: turn.role, content: [...turn.content] });
  }
  return together;
}

function textBlocks(message: unknown, path: string): Json[] {
  return contentOf((message as Json).content, `${path}.content`);
}

function contentOf(content: unknown, path: string): Json[] {
  if (typeof content === 'string') return [{ text: content }];
  if (!Array.isArray(content)) return refuse(`${path}: must be a string or an array`);
  return content.map((part: unknown, index) => partOf(part, `${path}[${index}]`));
}

function partOf(part: unknown, path: string): Json {
  if (!isObject(part)) return refuse(`${path}: must be an object`);
  if (part.type === 'text' && typeof part.text === 'string') return { text: part.text };
  const url = part.type === 'image_url' && isObject(part.image_url) ? part.image_url.url : undefined;
  if (typeof url !== 'string') return refuse(`${path}.type: must be text or image_url`);
  return { image: imageOf(url, path) };
}

/** Images that are sent along, or lie in S3: nothing is fetched from elsewhere. */
function imageOf(url: string, path: string): Json {
  const [, format, bytes] = /^data:image\/(png|jpeg|gif|webp);base64,([A-Za-z0-9+/=]+)$/.exec(url) ?? [];
  if (format !== undefined) return { format, source: { bytes } };
  const suffix = /^s3:\/\/.*\.(png|jpe?g|gif|webp)$/i.exec(url)?.[1]?.toLowerCase();
  if (suffix === undefined)
    return refuse(`${path}.image_url.url: must be a data: or s3:// URL of a png, jpeg, gif or webp image`);
  return { format: suffix === 'jpg' ? 'jpeg' : suffix, source: { s3Location: { uri: url } } };
}

function toolUse(call: unknown, path: string): Json {
  const fn = isObject(call) && isObject(call.function) ? call.function : undefined;
  if (fn === undefined || typeof fn.arguments !== 'string') return refuse(`${path}.function: needed`);
  return { toolUse: { toolUseId: (call as Json).id, name: fn.name, input: parsed(fn.arguments, `${path}.function`) } };
}

function toolResult(message: Json, path: string): Json {
  return { toolResult: { toolUseId: message.tool_call_id, content: contentOf(message.content, `${path}.content`) } };
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text === '' ? '{}' : text);
  } catch {
    return refuse(`${path}.arguments: not JSON`);
  }
}

function inferenceConfig(body: Json): Json {
  const stop = typeof body.stop === 'string' ? [body.stop] : body.stop;
  const config = {
    maxTokens: body.max_completion_tokens ?? body.max_tokens,
    temperature: body.temperature,
    topP: body.top_p,
    stopSequences: stop,
  };
  const given = Object.entries(config).filter(([, value]) => value !== undefined && value !== null);
  return given.length === 0 ? {} : { inferenceConfig: Object.fromEntries(given) };
}

function toolConfig(body: Json): Json {
  if (!Array.isArray(body.tools) || body.tools.length === 0 || body.tool_choice === 'none') return {};
  const tools = body.tools.map((tool: unknown, index) => {
    const fn =
      isObject(tool) && isObject(tool.function) ? tool.function : refuse(`body.tools[${index}].function: needed`);
    const { name, description, parameters } = fn;
    return {
      toolSpec: {
        name,
        ...(description !== undefined && { description }),
        inputSchema: { json: parameters ?? { type: 'object' } },
      },
    };
  });
  return { toolConfig: { tools, ...toolChoice(body.tool_choice) } };
}

function toolChoice(choice: unknown): Json {
  if (choice === undefined || choice === null || choice === 'auto') return {};
  if (choice === 'required') return { toolChoice: { any: {} } };
  const name = isObject(choice) && isObject(choice.function) ? choice.function.name : undefined;
  return name === undefined ? refuse('body.tool_choice: not known') : { toolChoice: { tool: { name } } };
}

function refuse(problem: string): never {
  throw new Refused(problem);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
