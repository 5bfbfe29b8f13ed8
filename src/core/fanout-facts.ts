import type { FanoutFacts } from './fanout-rules.ts';
import { walkJson } from './walk-json.ts';

/** Content blocks of Converse that are no text, by the name of their member. */
const blocks = ['image', 'document', 'video', 'audio'];

/** What the rules look at, of a fan-out's input. Pure. */
export function factsOf(
  tenant: string,
  input: Record<string, unknown>,
  attributes: Record<string, unknown>,
  metadata: Record<string, string>,
): FanoutFacts {
  const modality = new Set<string>();
  let textLength = 0;
  for (const { key, value } of walkJson(input.messages ?? input, '')) {
    if (key === 'text' && typeof value === 'string') {
      modality.add('text');
      textLength += value.length;
    }
    if (blocks.includes(key) && typeof value === 'object') modality.add(key);
  }
  return { tenant, modality: [...modality], textLength, attributes, metadata };
}
