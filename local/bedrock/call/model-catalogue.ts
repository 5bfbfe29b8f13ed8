import type { LatencyProfile } from './latency.ts';

/**
 * How a model is asked through InvokeModel; also what it can do: only the text families answer Converse. Agents and
 * knowledge bases are not models, but have quotas, latencies, faults and statistics like them.
 */
export type ModelFamily =
  | 'anthropic'
  | 'nova'
  | 'titan-text'
  | 'llama'
  | 'titan-embedding'
  | 'nova-canvas'
  | 'nova-reel'
  | 'agent'
  | 'knowledge-base';

export type ModelFacts = {
  family: ModelFamily;
  /** The most output tokens a request may ask for, and what is reserved where it does not say. */
  maxOutputTokens: number;
  burndown: number;
  latency: LatencyProfile;
};

const TEXT_FAMILIES: readonly ModelFamily[] = ['anthropic', 'nova', 'titan-text', 'llama'];

const FAST: LatencyProfile = { firstTokenMs: 300, perTokenMs: 5, spread: 0.4 };
const SLOW: LatencyProfile = { firstTokenMs: 800, perTokenMs: 14, spread: 0.5 };
// An agent asks its model more than once before it speaks.
const AGENT: LatencyProfile = { firstTokenMs: 2_500, perTokenMs: 14, spread: 0.5 };
const SEARCH: LatencyProfile = { firstTokenMs: 350, perTokenMs: 0, spread: 0.4 };
const AGENT_OUTPUT_TOKENS = 4_096;

/**
 * The models known without being told, by their id without a geo prefix. Largest outputs as the model pages of the
 * Bedrock user guide give them; latencies are of the order one sees there, not measurements.
 */
const CATALOGUE = new Map<string, Omit<ModelFacts, 'burndown'>>(
  Object.entries({
    'anthropic.claude-sonnet-4-5-20250929-v1:0': { family: 'anthropic', maxOutputTokens: 64_000, latency: SLOW },
    'anthropic.claude-haiku-4-5-20251001-v1:0': { family: 'anthropic', maxOutputTokens: 64_000, latency: FAST },
    'anthropic.claude-3-7-sonnet-20250219-v1:0': { family: 'anthropic', maxOutputTokens: 64_000, latency: SLOW },
    'anthropic.claude-3-haiku-20240307-v1:0': { family: 'anthropic', maxOutputTokens: 4_096, latency: FAST },
    'amazon.nova-micro-v1:0': { family: 'nova', maxOutputTokens: 10_000, latency: FAST },
    'amazon.nova-lite-v1:0': { family: 'nova', maxOutputTokens: 10_000, latency: FAST },
    'amazon.nova-pro-v1:0': { family: 'nova', maxOutputTokens: 10_000, latency: SLOW },
    'amazon.titan-text-express-v1': { family: 'titan-text', maxOutputTokens: 8_192, latency: FAST },
    'meta.llama3-3-70b-instruct-v1:0': { family: 'llama', maxOutputTokens: 8_192, latency: SLOW },
    'amazon.titan-embed-text-v2:0': {
      family: 'titan-embedding',
      maxOutputTokens: 0,
      latency: { firstTokenMs: 60, perTokenMs: 0, spread: 0.4 },
    },
    'amazon.nova-canvas-v1:0': {
      family: 'nova-canvas',
      maxOutputTokens: 0,
      latency: { firstTokenMs: 3_000, perTokenMs: 0, spread: 0.3 },
    },
    'amazon.nova-reel-v1:1': {
      family: 'nova-reel',
      maxOutputTokens: 0,
      latency: { firstTokenMs: 100, perTokenMs: 0, spread: 0.3 },
    },
  } satisfies Record<string, Omit<ModelFacts, 'burndown'>>),
);

/**
 * A model id without what does not change the model: the ARN around it and the geo prefix of an inference profile.
 * `arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-lite-v1:0` is `amazon.nova-lite-v1:0`. Quotas and
 * settings are kept by this id; AWS keeps separate quotas for the profiles, which one lane would sum up anyway.
 */
export function bareModelId(modelId: string): string {
  const id = modelId.startsWith('arn:') ? modelId.slice(modelId.lastIndexOf('/') + 1) : modelId;
  return id.replace(/^(us|us-gov|eu|apac|jp|au|ca|global)\./, '');
}

/** What is known of a model by its bare id; undefined for an id that nobody has heard of. */
export function lookUpModel(bareId: string): ModelFacts | undefined {
  const entry = CATALOGUE.get(bareId) ?? lookUpAgent(bareId);
  return entry && { ...entry, burndown: defaultBurndown(bareId) };
}

/** An agent by `agent:<agentId>`, a knowledge base by `kb:<knowledgeBaseId>`; there is one of every id. */
function lookUpAgent(key: string): Omit<ModelFacts, 'burndown'> | undefined {
  if (key.startsWith('agent:')) return { family: 'agent', maxOutputTokens: AGENT_OUTPUT_TOKENS, latency: AGENT };
  if (key.startsWith('kb:')) return { family: 'knowledge-base', maxOutputTokens: 0, latency: SEARCH };
  return undefined;
}

/** Facts for a model that only the control interface named: what its id suggests, else a text model like Nova. */
export function guessModel(bareId: string): ModelFacts {
  const family = guessFamily(bareId);
  const maxOutputTokens = TEXT_FAMILIES.includes(family) ? 8_192 : 0;
  return { family, maxOutputTokens, burndown: defaultBurndown(bareId), latency: FAST };
}

/** AWS counts requests of agents and knowledge bases, and tokens of models (their service quotas list no others). */
export function hasTokenQuota(family: ModelFamily): boolean {
  return family !== 'agent' && family !== 'knowledge-base';
}

export function isTextFamily(family: ModelFamily): boolean {
  return TEXT_FAMILIES.includes(family);
}

function guessFamily(bareId: string): ModelFamily {
  if (bareId.startsWith('anthropic.')) return 'anthropic';
  if (bareId.startsWith('meta.')) return 'llama';
  if (bareId.startsWith('amazon.titan-embed')) return 'titan-embedding';
  if (bareId.startsWith('amazon.titan-text')) return 'titan-text';
  if (bareId.startsWith('amazon.nova-canvas')) return 'nova-canvas';
  if (bareId.startsWith('amazon.nova-reel')) return 'nova-reel';
  return 'nova';
}

/**
 * Output tokens weigh five times in the quota of Claude 3.7 and everything of Anthropic's after it, once elsewhere
 * (https://docs.aws.amazon.com/bedrock/latest/userguide/quotas-token-burndown.html).
 */
function defaultBurndown(bareId: string): number {
  const isOldClaude = /^anthropic\.claude-(v2|instant|3-(haiku|sonnet|opus|5))/.test(bareId);
  return bareId.startsWith('anthropic.') && !isOldClaude ? 5 : 1;
}
