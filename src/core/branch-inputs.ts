import { walkJson } from './walk-json.ts';

/** What the targets of a fan-out that are no models are asked, made of an input that may have been written for a model. Pure. */

/** The last text that the user says in a Converse request; undefined if there is none. */
export function lastUserText(input: Record<string, unknown>): string | undefined {
  const messages = Array.isArray(input.messages) ? (input.messages as { role?: unknown; content?: unknown }[]) : [];
  const last = messages.findLast((message) => message?.role === 'user');
  const texts = [...walkJson(last?.content, '')].flatMap(({ key, value }) =>
    key === 'text' && typeof value === 'string' ? [value] : [],
  );
  return texts.length === 0 ? undefined : texts.reverse().join('\n');
}

/** An agent's question: its own `inputText`, else what the user says last. The session is the job's, unless it names one. */
export function agentInput(
  input: Record<string, unknown>,
  jobId: string,
): { inputText: string; sessionId: string } | undefined {
  const inputText = typeof input.inputText === 'string' ? input.inputText : lastUserText(input);
  if (inputText === undefined || inputText === '') return undefined;
  return { inputText, sessionId: typeof input.sessionId === 'string' ? input.sessionId : jobId };
}

/** A knowledge base's query: its own `retrievalQuery`, else what the user says last. */
export function retrieveInput(input: Record<string, unknown>): Record<string, unknown> | undefined {
  const { retrievalQuery, retrievalConfiguration, nextToken, guardrailConfiguration } = input;
  const text = lastUserText(input);
  const query = retrievalQuery ?? (text === undefined ? undefined : { text });
  if (query === undefined) return undefined;
  return {
    retrievalQuery: query,
    ...(retrievalConfiguration !== undefined && { retrievalConfiguration }),
    ...(nextToken !== undefined && { nextToken }),
    ...(guardrailConfiguration !== undefined && { guardrailConfiguration }),
  };
}

/** A data source's request: GET, or POST with the branch's `body`. */
export function httpInput(input: Record<string, unknown>): {
  method: string;
  headers: Record<string, string>;
  body?: string;
} {
  const headers = { accept: 'application/json, text/*;q=0.9' };
  if (input.body === undefined) return { method: 'GET', headers };
  return {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(input.body),
  };
}
