import { expect, test } from 'vitest';
import { agentInput, httpInput, lastUserText, retrieveInput } from './branch-inputs.ts';

const user = (...texts: string[]) => ({ role: 'user', content: texts.map((text) => ({ text })) });
const conversation = {
  messages: [user('first'), { role: 'assistant', content: [{ text: 'no' }] }, user('last', 'part')],
};

test('the last that the user says, its blocks in order', () => {
  expect(lastUserText(conversation)).toBe('last\npart');
  expect(lastUserText({ messages: [{ role: 'assistant', content: [{ text: 'x' }] }] })).toBeUndefined();
  expect(lastUserText({ messages: [{ role: 'user', content: [{ image: {} }] }] })).toBeUndefined();
  expect(lastUserText({ messages: 'none' })).toBeUndefined();
  expect(lastUserText({ messages: [null, user('x')] })).toBe('x');
});

test("an agent is asked its own question before the conversation's, in the job's session unless it names one", () => {
  expect(agentInput(conversation, 'job_1')).toEqual({ inputText: 'last\npart', sessionId: 'job_1' });
  expect(agentInput({ ...conversation, inputText: 'own', sessionId: 's-1' }, 'job_1')).toEqual({
    inputText: 'own',
    sessionId: 's-1',
  });
  expect(agentInput({}, 'job_1')).toBeUndefined();
  expect(agentInput({ inputText: '' }, 'job_1')).toBeUndefined();
});

test('a knowledge base gets its own query and settings, and nothing that was meant for a model', () => {
  expect(retrieveInput({ ...conversation, inferenceConfig: { maxTokens: 1 } })).toEqual({
    retrievalQuery: { text: 'last\npart' },
  });
  const retrievalConfiguration = { vectorSearchConfiguration: { numberOfResults: 2 } };
  expect(retrieveInput({ ...conversation, retrievalQuery: { text: 'own' }, retrievalConfiguration })).toEqual({
    retrievalQuery: { text: 'own' },
    retrievalConfiguration,
  });
  expect(retrieveInput({})).toBeUndefined();
});

test('a data source is read, or posted to where there is a body', () => {
  expect(httpInput(conversation)).toMatchObject({ method: 'GET' });
  expect(httpInput(conversation)).not.toHaveProperty('body');
  expect(httpInput({ body: { q: 1 } })).toEqual({
    method: 'POST',
    headers: { accept: 'application/json, text/*;q=0.9', 'content-type': 'application/json' },
    body: '{"q":1}',
  });
});
