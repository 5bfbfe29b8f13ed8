import type { FastifyRequest } from 'fastify';

/**
 * Browsers say where a page comes from, and let any page open a WebSocket anywhere: only pages of this very host, and of
 * the allow-list, may. Whoever sends no origin is no browser.
 */
export function isAllowedOrigin(
  request: Pick<FastifyRequest, 'headers' | 'host'>,
  allowed: readonly string[],
): boolean {
  const { origin } = request.headers;
  if (origin === undefined) return true;
  if (allowed.includes('*') || allowed.includes(origin)) return true;
  return URL.canParse(origin) && new URL(origin).host === request.host;
}
