import type { ModelFamily } from '../call/model-catalogue.ts';
import { anthropicBodies } from './anthropic-bodies.ts';
import { llamaBodies } from './llama-bodies.ts';
import type { DataBodies, TextBodies } from './model-body.ts';
import { novaBodies } from './nova-bodies.ts';
import { novaCanvasBodies } from './nova-canvas-bodies.ts';
import { titanEmbeddingBodies } from './titan-embedding-bodies.ts';
import { titanTextBodies } from './titan-text-bodies.ts';

/** How each family writes text; undefined for those that do not. */
export function textBodiesOf(family: ModelFamily): TextBodies | undefined {
  switch (family) {
    case 'anthropic':
      return anthropicBodies;
    case 'nova':
      return novaBodies;
    case 'titan-text':
      return titanTextBodies;
    case 'llama':
      return llamaBodies;
    default:
      return undefined;
  }
}

/** How each family that answers with data does it; undefined for the others, and for video, which is asynchronous. */
export function dataBodiesOf(family: ModelFamily): DataBodies | undefined {
  if (family === 'titan-embedding') return titanEmbeddingBodies;
  if (family === 'nova-canvas') return novaCanvasBodies;
  return undefined;
}
