/** Images, documents and videos of a Converse request that are named by where they lie in S3. Pure. */

type Json = Record<string, unknown>;

/** The members of a content block whose `source` may be an `s3Location`. */
const media = ['image', 'document', 'video'] as const;

/** The S3 URIs of a Converse request's content blocks, each once; also of those that tools answered. */
export function objectsIn(input: Json): string[] {
  const uris = new Set<string>();
  mapSources(input, (uri, source) => {
    uris.add(uri);
    return source;
  });
  return [...uris];
}

/** The request with the bytes (base64) of each object in the place of its location. The request itself is not changed. */
export function withObjectBytes(input: Json, bytes: ReadonlyMap<string, string>): Json {
  return mapSources(input, (uri, source) => (bytes.has(uri) ? { bytes: bytes.get(uri) } : source));
}

function mapSources(input: Json, map: (uri: string, source: Json) => Json): Json {
  if (!Array.isArray(input.messages)) return input;
  const messages = input.messages.map((message: unknown) => {
    const content = isObject(message) ? message.content : undefined;
    return isObject(message) && Array.isArray(content)
      ? { ...message, content: content.map((block: unknown) => mapBlock(block, map)) }
      : message;
  });
  return { ...input, messages };
}

function mapBlock(block: unknown, map: (uri: string, source: Json) => Json): unknown {
  if (!isObject(block)) return block;
  const { toolResult } = block;
  if (isObject(toolResult) && Array.isArray(toolResult.content)) {
    const content = toolResult.content.map((inner: unknown) => mapMedia(inner, map));
    return { ...block, toolResult: { ...toolResult, content } };
  }
  return mapMedia(block, map);
}

function mapMedia(block: unknown, map: (uri: string, source: Json) => Json): unknown {
  if (!isObject(block)) return block;
  const member = media.find((name) => isObject(block[name]));
  if (member === undefined) return block;
  const medium = block[member] as Json;
  const uri = uriOf(medium.source);
  return uri === undefined ? block : { ...block, [member]: { ...medium, source: map(uri, medium.source as Json) } };
}

function uriOf(source: unknown): string | undefined {
  const location = isObject(source) ? source.s3Location : undefined;
  return isObject(location) && typeof location.uri === 'string' ? location.uri : undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
