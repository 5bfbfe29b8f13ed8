import type { JobView } from './job-client.ts';
import type { Stack } from './stack.ts';

/** A fan-out as callers see it. */
export type FanoutView = JobView & {
  branches: { name: string; jobId: string; status: string }[];
  usage: Record<string, number>;
  costUsd: number;
  output: FanoutOutput;
};

export type FanoutOutput = {
  branches: { name: string; status: string; output?: unknown; error?: { code: string; message: string } }[];
  partial?: true;
  tokensSaved?: number;
  synthesis?: string;
  winner?: string;
  reason?: string;
};

/** The user's message of a Converse request. */
export function said(text: string): { messages: object[] } {
  return { messages: [{ role: 'user', content: [{ text }] }] };
}

/** Submits a fan-out; rejects, with the problem, unless it is accepted. */
export async function submitFanout(
  stack: Pick<Stack, 'request'>,
  body: object,
  headers: Record<string, string> = {},
): Promise<FanoutView> {
  const answer = await stack.request('POST', '/v1/fanouts', { body, headers });
  if (answer.status !== 200 && answer.status !== 202)
    throw new Error(`fan-out was answered with ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body as FanoutView;
}

/** All branches of a fan-out, the reduce among them, as the list gives them. */
export async function childrenOf(stack: Pick<Stack, 'request'>, parentId: string, key?: string): Promise<JobView[]> {
  const { status, body } = await stack.request('GET', `/v1/jobs?parent=${parentId}&limit=100`, { key });
  if (status !== 200) throw new Error(`list was answered with ${status}: ${JSON.stringify(body)}`);
  return (body as { items: JobView[] }).items;
}

const usageFields = ['inputTokens', 'outputTokens', 'cacheReadTokens', 'cacheWriteTokens'] as const;

/** Usage and cost of jobs together; those that have none count as nothing. */
export function sumOf(jobs: readonly JobView[]): { usage: Record<string, number>; costUsd: number } {
  const of = (job: JobView, field: string): number => (job.usage as Record<string, number> | undefined)?.[field] ?? 0;
  return {
    usage: Object.fromEntries(usageFields.map((field) => [field, jobs.reduce((sum, job) => sum + of(job, field), 0)])),
    costUsd: jobs.reduce((sum, job) => sum + ((job.costUsd as number | undefined) ?? 0), 0),
  };
}
