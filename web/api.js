/** The REST calls of the page. */

/**
 * An error as RFC 9457 describes it.
 * @typedef {object} Problem
 * @property {string} title
 * @property {number} [status]
 * @property {string} [detail]
 * @property {string} [code]
 * @property {{ path: string, message: string }[]} [errors]
 */

/** @typedef {{ kind: 'ok', body: any } | { kind: 'problem', status: number, problem: Problem } | { kind: 'away' }} Answer */

const answerWithinMs = 10_000;

/**
 * One request. Never rejects: `away` stands for a server that does not answer.
 * @param {string} key
 * @param {string} path
 * @param {{ method?: string, headers?: Record<string, string>, body?: string | Blob, withinMs?: number, as?: 'json' | 'blob' }} [options]
 *   `as`: how an answer that is no problem is read
 * @returns {Promise<Answer>}
 */
export async function callApi(key, path, { withinMs = answerWithinMs, as = 'json', ...options } = {}) {
  try {
    const response = await fetch(path, {
      ...options,
      headers: { ...options.headers, authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(withinMs),
    });
    const isBlob = response.ok && as === 'blob';
    const body = await (isBlob ? response.blob() : response.json()).catch(() => undefined);
    if (response.ok && body !== undefined) return { kind: 'ok', body };
    return { kind: 'problem', status: response.status, problem: problemOf(response.status, body) };
  } catch {
    return { kind: 'away' };
  }
}

/** A proxy in between answers as it likes: there is always a title. @param {number} status @param {any} body */
function problemOf(status, body) {
  if (typeof body?.title === 'string') return /** @type {Problem} */ (body);
  return { title: `The server answered ${status}`, status };
}
