import { createHash } from 'node:crypto';
import type { JobView } from './job-client.ts';
import type { Stack } from './stack.ts';
import { nova } from './test-lanes.ts';

/** The text of job number `index`: no two are alike, and the emulator's answer quotes its first words. */
export function promptOf(index: number): string {
  return `job number ${index} asks for something`;
}

/** A converse job with that text. */
export function novaJob(text: string, more: object = {}): object {
  return { model: nova, input: { messages: [{ role: 'user', content: [{ text }] }] }, ...more };
}

/** How the emulator counts the calls of a prompt: the first 16 hex digits of its SHA-256. */
export function promptHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Submits one job per text, `atOnce` at a time; gives the ids in the order of the texts. */
export async function submitAll(
  stack: Pick<Stack, 'submit'>,
  texts: readonly string[],
  { atOnce = 20, more = {} }: { atOnce?: number; more?: object } = {},
): Promise<string[]> {
  const ids: string[] = new Array(texts.length);
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < texts.length) {
      const index = next++;
      ids[index] = (await stack.submit(novaJob(texts[index] as string, more))).id;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, client));
  return ids;
}

/** The text that a converse job answered. */
export function answerText(job: JobView): string {
  const output = job.output as { output?: { message?: { content?: { text?: string }[] } } } | undefined;
  return output?.output?.message?.content?.[0]?.text ?? '';
}
