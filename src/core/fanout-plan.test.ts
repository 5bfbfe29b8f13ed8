import { expect, test } from 'vitest';
import { branchInput, childJobId, planBranch } from './fanout-plan.ts';
import { jobIdPattern } from './job-id.ts';
import { lanesFileSchema, toLanes } from './lanes.ts';

const lane = (models: string[], operations: string[]) => ({
  models,
  operations,
  quota: { requestsPerMinute: 1, tokensPerMinute: 1 },
  concurrency: 1,
  timeoutSeconds: 1,
  maxAttempts: 1,
  defaultMaxTokens: 1,
  usdPerMillionTokens: { input: 0, output: 0 },
});
const lanes = toLanes(
  lanesFileSchema.parse({
    lanes: {
      text: lane(['model-a'], ['converse']),
      images: lane(['model-b'], ['invoke']),
      agents: lane(['agent:AGENT/ALIAS'], ['invoke-agent']),
      knowledge: lane(['kb:BASE'], ['retrieve']),
      sources: lane(['https://api.example.com/v1/'], ['http']),
    },
  }),
);

test.each<[object, object]>([
  [{ model: 'model-a' }, { model: 'model-a', lane: 'text', operation: 'converse' }],
  [
    { model: 'model-b', operation: 'invoke' },
    { model: 'model-b', lane: 'images', operation: 'invoke' },
  ],
  [{ agent: 'AGENT/ALIAS' }, { model: 'agent:AGENT/ALIAS', lane: 'agents', operation: 'invoke-agent' }],
  [{ knowledgeBase: 'BASE' }, { model: 'kb:BASE', lane: 'knowledge', operation: 'retrieve' }],
  [
    { http: 'https://api.example.com/v1/prices?of=gate' },
    { model: 'https://api.example.com/v1/prices?of=gate', lane: 'sources', operation: 'http' },
  ],
])('%j goes to its lane', (target, expected) => {
  expect(planBranch({ name: 'a', ...target }, lanes)).toEqual({ branch: { name: 'a', ...expected } });
  const input = { of: 'its own' };
  expect(planBranch({ name: 'a', ...target, input }, lanes)).toEqual({ branch: { name: 'a', ...expected, input } });
});

const noLane = 'no lane serves this; GET /v1/lanes names those that are served';
test.each<[object, { path: string; message: string }]>([
  [{ model: 'model-c' }, { path: 'model', message: noLane }],
  [{ agent: 'OTHER/ALIAS' }, { path: 'agent', message: noLane }],
  [{ knowledgeBase: 'OTHER' }, { path: 'knowledgeBase', message: noLane }],
  [{ http: 'https://elsewhere.example.com/v1/' }, { path: 'http', message: noLane }],
  // A model that is an agent's name is none.
  [{ model: 'agent:AGENT/ALIAS' }, { path: 'model', message: 'agents cannot do converse' }],
  [{ model: 'model-b' }, { path: 'model', message: 'images cannot do converse' }],
  [
    { model: 'model-a', operation: 'invoke' },
    { path: 'operation', message: 'text cannot do invoke' },
  ],
])('%j: %j', (target, expected) => {
  expect(planBranch({ name: 'a', ...target }, lanes)).toEqual(expected);
});

test("a branch's id is a job id, the same for the same and another for anything else", () => {
  const id = childJobId('job_1', 1, 'a');
  expect(id).toMatch(jobIdPattern);
  expect(childJobId('job_1', 1, 'a')).toBe(id);
  const others = [childJobId('job_2', 1, 'a'), childJobId('job_1', 2, 'a'), childJobId('job_1', 1, 'b')];
  // The parts cannot run into each other.
  others.push(childJobId('job_1', 11, 'a'), childJobId('job_11', 1, 'a'), childJobId('job_1', 1, '1a'));
  expect(new Set([id, ...others]).size).toBe(7);
});

test("a branch's own members replace the shared ones, at the top only", () => {
  const shared = { messages: ['shared'], inferenceConfig: { maxTokens: 5, topP: 1 } };
  expect(branchInput(shared, undefined)).toEqual(shared);
  expect(branchInput(shared, { inferenceConfig: { maxTokens: 9 }, system: [] })).toEqual({
    messages: ['shared'],
    inferenceConfig: { maxTokens: 9 },
    system: [],
  });
});
