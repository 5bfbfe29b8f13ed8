import { deleteFile, readFile } from '../../state/files.ts';
import type { Api, ApiDeps } from '../api-deps.ts';
import { nothing } from '../api-schemas.ts';
import { type Authenticate, tenantOf } from '../authenticate.ts';
import { needsKey, problemResponses } from '../route-docs.ts';
import type { SubmitRate } from '../submit-rate.ts';
import { fileBody, fileParams, fileView, noSuchFile } from './file-answers.ts';
import { serveUpload } from './upload-route.ts';

type FileDeps = ApiDeps & { authenticate: Authenticate; submitRate: SubmitRate };

/** `/v1/files`: uploads, what is known of them, and their delete. */
export async function serveFiles(app: Api, deps: FileDeps): Promise<void> {
  await serveUpload(app, deps);
  serveRead(app, deps);
  serveDelete(app, deps);
}

function serveRead(app: Api, { authenticate, state }: FileDeps): void {
  app.route({
    method: 'GET',
    url: '/v1/files/:id',
    onRequest: authenticate('read'),
    schema: {
      operationId: 'getFile',
      summary: 'Read what is known of a file',
      description: 'Its metadata, not its bytes. Needs the scope `read`.',
      tags: ['files'],
      security: needsKey(),
      params: fileParams,
      response: { 200: fileBody, ...problemResponses('not_found') },
    },
    handler: async (request, reply) => {
      const file = await readFile(state, tenantOf(request), request.params.id);
      return file === undefined ? noSuchFile(reply) : reply.send(fileView(state, file));
    },
  });
}

function serveDelete(app: Api, { authenticate, state }: FileDeps): void {
  app.route({
    method: 'DELETE',
    url: '/v1/files/:id',
    onRequest: authenticate('submit'),
    schema: {
      operationId: 'deleteFile',
      summary: 'Delete a file',
      description: 'A batch that still reads it fails. Needs the scope `submit`.',
      tags: ['files'],
      security: needsKey(),
      params: fileParams,
      response: { 204: nothing, ...problemResponses('not_found') },
    },
    handler: async (request, reply) => {
      if (!(await deleteFile(state, tenantOf(request), request.params.id))) return noSuchFile(reply);
      return reply.code(204).send();
    },
  });
}
