import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { type FileItem, uriOf } from '../../state/files.ts';
import type { StateDeps } from '../../state/state-deps.ts';
import { sendProblem } from '../problem.ts';

export const fileBody = z
  .object({
    id: z.string(),
    name: z.string(),
    uri: z.string().describe('Names it in an `s3Location` of a request'),
    bytes: z.int(),
    contentType: z.string(),
    records: z.int().optional().describe('Of JSON lines: lines that are not blank'),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().describe('When it is deleted by itself'),
  })
  .meta({ id: 'File' });

export const fileParams = z.object({ id: z.string().describe('Like file_0123456789abcdef0123456789abcdef') });

/** A file as callers see it. */
export function fileView(state: Pick<StateDeps, 'objects'>, file: FileItem): z.infer<typeof fileBody> {
  return {
    id: file.sk,
    name: file.name,
    uri: uriOf(state, file),
    bytes: file.bytes,
    contentType: file.contentType,
    ...(file.records !== undefined && { records: file.records }),
    createdAt: new Date(file.createdAt).toISOString(),
    expiresAt: new Date(file.ttl * 1000).toISOString(),
  };
}

/** For an id of no file, and of another tenant's. */
export function noSuchFile(reply: FastifyReply): FastifyReply {
  return sendProblem(reply, { code: 'not_found', detail: 'there is no such file' });
}
