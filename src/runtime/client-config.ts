/** What the commands for people read of the environment: where the server is, and as whom they speak. */

const localUrl = 'http://127.0.0.1:8080';
/** The ready key of local mode: of no use anywhere else, and never sent there by mistake. */
const localKey = 'local-demo-key';

/** What may stand in a header (RFC 6750, b64token). */
const sendableKey = /^[A-Za-z0-9\-._~+/]+=*$/;

/** PENSTOCK_URL and PENSTOCK_KEY, or what is wrong with them. */
export function readClientConfig(
  env: NodeJS.ProcessEnv = process.env,
): { url: string; key: string } | { problem: string } {
  const url = env.PENSTOCK_URL || localUrl;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol))
    return { problem: `PENSTOCK_URL: ${url} is no http:// or https:// URL` };
  const key = env.PENSTOCK_KEY || (isLoopback(parsed.hostname) ? localKey : '');
  if (key === '') return { problem: `PENSTOCK_KEY: needed for ${url}; keys are made by penstock keys create` };
  if (!sendableKey.test(key)) return { problem: 'PENSTOCK_KEY: a key is made of letters, digits and - . _ ~ only' };
  return { url, key };
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
