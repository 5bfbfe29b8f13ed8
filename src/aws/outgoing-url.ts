import { isIP } from 'node:net';
import { addressClass } from './outgoing-address.ts';
import { OutgoingError, type OutgoingErrorCode } from './outgoing-error.ts';

/**
 * What can be said of a URL without asking DNS. The WHATWG parser has made dotted decimals of all the other ways to write
 * an IPv4 address (`0x7f.1`, `017700000001`, `2130706433`, `127.0.0.1.`, full-width digits) before anything looks at it.
 */

interface Refusal {
  code: OutgoingErrorCode;
  message: string;
}

/**
 * Why a URL cannot be asked, for whoever sends it with a request (a 422 at submit), or undefined. Names are looked up when
 * they are asked: a name that leads to a refused address passes here and is refused then. Pure.
 */
export function refusedUrl(url: string, localMode: boolean): string | undefined {
  const checked = checkUrl(url, localMode);
  return checked instanceof URL ? undefined : checked.message;
}

/** The URL, once there is nothing to say against it. Throws OutgoingError `bad_url`, `not_https`, `address_refused`. */
export function checkedUrl(url: string, localMode: boolean): URL {
  const checked = checkUrl(url, localMode);
  if (checked instanceof URL) return checked;
  throw new OutgoingError(checked.code, checked.message);
}

function checkUrl(text: string, localMode: boolean): URL | Refusal {
  // The parser drops tabs and newlines, and reads a backslash as a slash: others read such a URL in another way.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it looks for
  if (/[\u0000-\u0020\u007f\\]/.test(text) || !URL.canParse(text))
    return { code: 'bad_url', message: 'not an absolute URL' };
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return { code: 'bad_url', message: localMode ? 'only http and https are served' : 'only https is served' };
  if (url.username !== '' || url.password !== '')
    return { code: 'bad_url', message: 'a URL with a user name or a password is not served' };
  if (url.protocol === 'http:' && !localMode) return { code: 'not_https', message: 'only https is served' };
  return refusedHost(url, localMode) ?? url;
}

function refusedHost(url: URL, localMode: boolean): Refusal | undefined {
  const host = hostOf(url);
  const found = isIP(host) !== 0 ? addressClass(host) : isLocalName(host) ? 'local' : 'public';
  if (found === 'never')
    return { code: 'address_refused', message: 'link-local addresses and metadata services are never called' };
  if (found === 'local' && !localMode)
    return { code: 'address_refused', message: 'private, loopback and reserved addresses are not called' };
  return undefined;
}

/** Without the brackets of an IPv6 address. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

/** RFC 6761: loopback, whatever DNS says. */
function isLocalName(host: string): boolean {
  return /(^|\.)localhost\.?$/i.test(host);
}
