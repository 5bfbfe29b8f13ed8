import { z } from 'zod';
import { BedrockError } from '../wire/errors.ts';

/**
 * The Converse request as restJson1 reads it: members that it does not know are dropped, wrong types are a
 * SerializationException. What the members must hold is `converse-rules.ts`.
 */
const record = z.record(z.string(), z.unknown());

const contentBlock = z.object({
  text: z.string().optional(),
  image: record.optional(),
  document: record.optional(),
  video: record.optional(),
  audio: record.optional(),
  toolUse: record.optional(),
  toolResult: record.optional(),
  guardContent: record.optional(),
  cachePoint: record.optional(),
  reasoningContent: record.optional(),
  citationsContent: record.optional(),
  searchResult: record.optional(),
});

const toolSpec = z.object({
  name: z.string(),
  description: z.string().optional(),
  inputSchema: z.object({ json: z.unknown() }),
});

const converseBody = z.object({
  messages: z.array(z.object({ role: z.string(), content: z.array(contentBlock) })).nullish(),
  system: z
    .array(z.object({ text: z.string().optional(), guardContent: record.optional(), cachePoint: record.optional() }))
    .nullish(),
  inferenceConfig: z
    .object({
      maxTokens: z.number().nullish(),
      max_new_tokens: z.number().nullish(),
      temperature: z.number().nullish(),
      topP: z.number().nullish(),
      stopSequences: z.array(z.string()).nullish(),
    })
    .nullish(),
  toolConfig: z
    .object({
      tools: z.array(z.object({ toolSpec: toolSpec.optional(), cachePoint: record.optional() })),
      toolChoice: z
        .object({ auto: record.optional(), any: record.optional(), tool: z.object({ name: z.string() }).optional() })
        .nullish(),
    })
    .nullish(),
});

export type ConverseBody = z.infer<typeof converseBody>;
export type ContentBlock = z.infer<typeof contentBlock>;
export type ToolSpec = z.infer<typeof toolSpec>;

/** Reads a Converse or ConverseStream body; throws SerializationException where a member has the wrong type. */
export function readConverseBody(body: unknown): ConverseBody {
  const read = converseBody.safeParse(body);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new BedrockError('SerializationException', `${issue?.path.join('.') || 'body'}: ${issue?.message}`);
}
