import type { z } from 'zod';
import type { ModelFacts } from '../call/model-catalogue.ts';
import type { Reply } from '../reply/reply.ts';
import { invalid } from '../wire/errors.ts';

/** What InvokeModel needs to know of a model's own body. */
export type InvokeRequest = {
  /** The text that is asked, embedded or drawn. */
  prompt: string;
  inputTokens: number;
  maxTokens: number;
  stopSequences: string[];
};

/** What is known of a text answer when its body is written. */
export type InvokeAnswer = {
  modelId: string;
  /** Different for each call, the same in each run. */
  callId: string;
  inputTokens: number;
  outputTokens: number;
  reply: Reply;
};

/** The bodies of a family of text models, whole and in chunks. */
export type TextBodies = {
  read(json: unknown, facts: ModelFacts): InvokeRequest;
  whole(answer: InvokeAnswer): unknown;
  /** Chunks before the first piece, each piece, and after the last; `closing` has at least one. */
  opening(start: { modelId: string; callId: string; inputTokens: number }): unknown[];
  piece(text: string): unknown;
  closing(answer: InvokeAnswer): unknown[];
};

/** The bodies of a model that answers with data at once. */
export type DataBodies = {
  read(json: unknown): InvokeRequest & { answer: (seed: string) => unknown };
};

/** Reads a model's body with its schema, or throws ValidationException in the words of Bedrock's own schema check. */
export function readModelBody<Schema extends z.ZodType>(schema: Schema, json: unknown): z.infer<Schema> {
  const read = schema.safeParse(json);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const at = ['#', ...(issue?.path.map(String) ?? [])].join('/');
  throw invalid(
    `Malformed input request: ${at}: ${issue?.message ?? 'not valid'}, please reformat your input and try again.`,
  );
}
