import { eventually } from './eventually.ts';
import type { Stack } from './stack.ts';
import { nova } from './test-lanes.ts';

/** A batch as callers see it: the fields that tests look at most, and all others. */
export interface BatchView {
  id: string;
  status: string;
  counts: { total?: number; succeeded: number; failed: number; cancelled: number; running: number };
  steps: { name: string; status: string; counts: { succeeded: number; failed: number }; error?: { code: string } }[];
  costUsd: number;
  usage: { inputTokens: number; outputTokens: number };
  error?: { code: string; message: string };
  generation: number;
  [field: string]: unknown;
}

type Client = Pick<Stack, 'apis' | 'request'>;

/** Uploads bytes as a file; gives its id. */
export async function upload(stack: Client, name: string, body: string | Buffer, type = 'application/jsonl') {
  const response = await fetch(`${stack.apis[0]?.url}/v1/files?name=${encodeURIComponent(name)}`, {
    method: 'POST',
    headers: { authorization: 'Bearer local-demo-key', 'content-type': type },
    body,
  });
  const answer = (await response.json()) as { id: string; uri: string };
  if (response.status !== 201) throw new Error(`${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

/** JSONL of `count` records, each with a text of its own, from `from` on. */
export function records(count: number, from = 0): string {
  return Array.from({ length: count }, (_, index) => `${JSON.stringify(recordOf(from + index))}\n`).join('');
}

export function recordOf(index: number): { id: string; text: string } {
  return { id: `r${index}`, text: textOf(index) };
}

/** What the model is asked for record number `index`. */
export function textOf(index: number): string {
  return `record number ${index} asks for something`;
}

/** One model call for each record, over its text. */
export const askStep = {
  name: 'ask',
  type: 'inference',
  model: nova,
  input: {
    messages: [{ role: 'user', content: [{ text: '{% $record.text %}' }] }],
    inferenceConfig: { maxTokens: 20 },
  },
};

export async function startBatch(stack: Client, batch: object, headers: Record<string, string> = {}) {
  const answer = await stack.request('POST', '/v1/batches', { body: batch, headers });
  if (answer.status !== 202) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body as BatchView;
}

export async function readBatch(stack: Client, id: string): Promise<BatchView> {
  return (await stack.request('GET', `/v1/batches/${id}`)).body as BatchView;
}

/** Waits until the batch has its results: final, and the manifest there. */
export async function waitForResults(stack: Client, id: string, timeoutMs = 120_000): Promise<BatchView> {
  await eventually(
    async () => {
      const answer = await stack.request('GET', `/v1/batches/${id}/manifest?inline=true`);
      if (answer.status !== 200) throw new Error(JSON.stringify(await readBatch(stack, id)));
      return true;
    },
    { timeoutMs, what: `${id} has its results` },
  );
  return await readBatch(stack, id);
}

/** The whole text of a result file, by the link. */
export async function resultText(stack: Client, id: string, name: 'output' | 'errors' | 'manifest'): Promise<string> {
  const response = await fetch(`${stack.apis[0]?.url}/v1/batches/${id}/${name}`, {
    headers: { authorization: 'Bearer local-demo-key' },
  });
  if (response.status !== 200) throw new Error(`${name}: ${response.status}`);
  return await response.text();
}

export async function resultLines<T = Record<string, unknown>>(
  stack: Client,
  id: string,
  name: 'output' | 'errors',
): Promise<T[]> {
  const text = await resultText(stack, id, name);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}
