import { z } from 'zod';
import { fileIdPattern } from './batch-id.ts';
import { metadataSchema } from './job-request.ts';
import { stepsSchema } from './pipeline.ts';

/** What `POST /v1/batches` takes. Strict: a field that is not served is refused. */

/** Of the steps as JSON: DynamoDB keeps 400 KB an item. */
export const mostStepsBytes = 200 * 1024;

export const batchInputSchema = z.union([
  z.string().regex(fileIdPattern, 'a file id'),
  z
    .string()
    .max(1100)
    .regex(
      /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\/.*$/,
      'the id of a file, s3://bucket/key, or a prefix that ends with /',
    ),
]);

export const pipelineNameSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/, 'a pipeline name has 1 to 64 of a-z, 0-9 and -');

/** What a batch and a schedule share. */
export const pipelineChoice = {
  pipeline: pipelineNameSchema.optional().describe('One of `config/pipelines/`'),
  steps: stepsSchema.optional().describe('Instead of a pipeline'),
  maxRecords: z.int().min(1).max(100_000_000).optional().describe('A larger input fails before any model is called'),
  maxCostUsd: z.number().positive().optional().describe('No record is begun once this is spent'),
  metadata: metadataSchema.optional(),
};

export const batchRequestSchema = z
  .strictObject({
    input: batchInputSchema.describe('A file id, an S3 URI, or a prefix that ends with /'),
    ...pipelineChoice,
  })
  .superRefine((request, context) => {
    if ((request.pipeline === undefined) === (request.steps === undefined))
      context.addIssue({ code: 'custom', path: ['pipeline'], message: 'exactly one of pipeline and steps' });
    if (request.steps !== undefined && Buffer.byteLength(JSON.stringify(request.steps)) > mostStepsBytes)
      context.addIssue({ code: 'custom', path: ['steps'], message: `more than ${mostStepsBytes} bytes of JSON` });
  });
export type BatchRequest = z.infer<typeof batchRequestSchema>;
