import { z } from 'zod';
import { drawNormal, randomStream } from '../reply/seeded-random.ts';
import { countTextTokens } from '../reply/tokens.ts';
import { type DataBodies, readModelBody } from './model-body.ts';

const body = z.object({
  inputText: z.string().min(1).max(50_000),
  dimensions: z.literal([256, 512, 1024]).default(1024),
  normalize: z.boolean().default(true),
  embeddingTypes: z
    .array(z.enum(['float', 'binary']))
    .min(1)
    .default(['float']),
});

/**
 * Titan Text Embeddings V2 (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html).
 * The vector points in a direction drawn from the text's hash: equal texts are equal, others near orthogonal.
 */
export const titanEmbeddingBodies: DataBodies = {
  read(json) {
    const { inputText, dimensions, normalize, embeddingTypes } = readModelBody(body, json);
    const inputTokens = countTextTokens(inputText);
    const answer = (seed: string) => {
      const vector = drawVector(`embedding ${seed} ${inputText}`, dimensions, normalize);
      const asFloat = embeddingTypes.includes('float') && { float: vector };
      const asBinary = embeddingTypes.includes('binary') && { binary: vector.map((x) => (x > 0 ? 1 : 0)) };
      return {
        ...(asFloat && { embedding: vector }),
        embeddingsByType: { ...asFloat, ...asBinary },
        inputTextTokenCount: inputTokens,
      };
    };
    return { prompt: inputText, inputTokens, maxTokens: 0, stopSequences: [], answer };
  },
};

function drawVector(key: string, dimensions: number, normalize: boolean): number[] {
  const random = randomStream(key);
  const drawn = Array.from({ length: dimensions }, () => drawNormal(random));
  const length = Math.hypot(...drawn);
  return normalize ? drawn.map((x) => x / length) : drawn;
}
