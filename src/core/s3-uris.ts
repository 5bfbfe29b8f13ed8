import { walkJson } from './walk-json.ts';

/** Keeps a tenant's requests inside its own part of S3. */

export interface RefusedUri {
  path: string;
  message: string;
}

/**
 * Finds each string in a request, at any depth (keys too), that is an S3 URI and may not be used by this tenant.
 * A string counts as a URI if it begins with `s3://` in any case, after white space: prose that mentions one does not.
 *
 * @param allowed prefixes `s3://bucket/prefix/`, each ending with a slash: the tenant's own and its allow-list
 * @returns one entry per refused URI, with its path from `root`
 */
export function refusedUris(request: unknown, allowed: readonly string[], root: string): RefusedUri[] {
  const refused: RefusedUri[] = [];
  const check = (text: string, path: string): void => {
    if (/^\s*s3:\/\//i.test(text) && !isAllowed(text, allowed))
      refused.push({ path, message: 'this S3 URI is outside the places that the tenant may use' });
  };
  for (const { value, key, path } of walkJson(request, root)) {
    if (typeof value === 'string') check(value, path);
    check(key, path);
  }
  return refused;
}

function isAllowed(uri: string, allowed: readonly string[]): boolean {
  // Only the plain form is compared: exact scheme, no empty, dot or encoded dot segments, no backslash or control character.
  if (!uri.startsWith('s3://')) return false;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it looks for
  if (/[\u0000-\u0020\\]/.test(uri) || /%(2e|2f|5c)/i.test(uri)) return false;
  const segments = uri.slice('s3://'.length).split('/');
  if (segments.slice(0, -1).some((segment) => segment === '')) return false;
  if (segments.some((segment) => segment === '.' || segment === '..')) return false;
  return allowed.some((prefix) => uri.startsWith(prefix));
}
