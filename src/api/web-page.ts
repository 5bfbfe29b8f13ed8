import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { Api } from './api-deps.ts';

/** Beside `src`, in the repository and in the image. */
const folder = join(import.meta.dirname, '../../web');

/** Local mode: the page that people look at, at `/`. Elsewhere `/` leads to the documentation. */
export async function servePage(app: Api, { localMode }: { localMode: boolean }): Promise<void> {
  if (!localMode) {
    app.get('/', { schema: { hide: true } }, async (_request, reply) => reply.redirect('/docs'));
    return;
  }
  // A route for each file: with a wildcard every path that is none of the API's would be looked for on the disk.
  await app.register(fastifyStatic, { root: folder, wildcard: false, decorateReply: false, schemaHide: true });
}
