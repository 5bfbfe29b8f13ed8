/** How numbers, and the command that reads a job, are written. Pure. */

/**
 * A duration: `420 ms`, `3.2 s`, `2 min 05 s`.
 * @param {number} ms
 */
export function formatMs(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

/** One call costs a fraction of a cent: two digits that say something, however small, and always whole cents. */
const dollars = new Intl.NumberFormat('en', {
  style: 'currency',
  currency: 'USD',
  maximumSignificantDigits: 2,
  minimumFractionDigits: 2,
  maximumFractionDigits: 2,
  roundingPriority: 'morePrecision',
});

/** @param {number} usd */
export function formatCost(usd) {
  return dollars.format(usd);
}

const counts = new Intl.NumberFormat('en');

/** @param {number} count */
export function formatCount(count) {
  return counts.format(count);
}

/**
 * What reads a job in a shell.
 * @param {{ origin: string, key: string, jobId: string }} of
 */
export function curlLine({ origin, key, jobId }) {
  const url = `${origin}/v1/jobs/${encodeURIComponent(jobId)}`;
  return `curl -s -H ${quote(`Authorization: Bearer ${key}`)} ${url}`;
}

/** @param {string} text */
function quote(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** What may stand in a header and in the name of a subprotocol (RFC 9110, token). @param {string} key */
export function isSendableKey(key) {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(key);
}
