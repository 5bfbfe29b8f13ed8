import { z } from 'zod';
import { countTextTokens } from '../reply/tokens.ts';
import { type DataBodies, readModelBody } from './model-body.ts';
import { drawPng } from './png.ts';

const params = z.looseObject({ text: z.string().min(1).max(1024).optional() }).optional();
const body = z
  .object({
    taskType: z.enum([
      'TEXT_IMAGE',
      'COLOR_GUIDED_GENERATION',
      'IMAGE_VARIATION',
      'INPAINTING',
      'OUTPAINTING',
      'BACKGROUND_REMOVAL',
    ]),
    textToImageParams: params,
    colorGuidedGenerationParams: params,
    imageVariationParams: params,
    inPaintingParams: params,
    outPaintingParams: params,
    imageGenerationConfig: z
      .object({ numberOfImages: z.int().min(1).max(5).default(1), seed: z.int().min(0).max(858_993_459).default(12) })
      .default({ numberOfImages: 1, seed: 12 }),
  })
  .refine((value) => value.taskType !== 'TEXT_IMAGE' || value.textToImageParams?.text !== undefined, {
    path: ['textToImageParams'],
    message: 'required key [text] not found',
  });

/** Nova Canvas (https://docs.aws.amazon.com/nova/latest/userguide/image-gen-req-resp-structure.html). */
export const novaCanvasBodies: DataBodies = {
  read(json) {
    const { taskType, imageGenerationConfig, ...all } = readModelBody(body, json);
    const prompt = Object.values(all).find((each) => each?.text !== undefined)?.text ?? '';
    const answer = (seed: string) => ({
      images: Array.from({ length: imageGenerationConfig.numberOfImages }, (_, index) =>
        drawPng(`${seed} ${taskType} ${imageGenerationConfig.seed} ${index} ${prompt}`).toString('base64'),
      ),
    });
    return { prompt, inputTokens: countTextTokens(prompt), maxTokens: 0, stopSequences: [], answer };
  },
};
