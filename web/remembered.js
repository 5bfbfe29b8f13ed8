/**
 * What the page remembers in this browser: the key, the choices of the form, and which jobs it has shown. A browser that
 * allows none of it (private windows, blocked storage) only means that a reload starts afresh.
 */

const prefix = 'penstock.';
/** Older ones are still to be had over REST. */
const mostJobs = 24;
const longestPrompt = 2_000;

/** `plan` of a fan-out. @typedef {{ id: string, prompt: string, plan?: import('./fanout-state.js').Plan }} RememberedJob */

/** @param {string} name */
export function recall(name) {
  try {
    return localStorage.getItem(prefix + name) ?? undefined;
  } catch {
    return undefined;
  }
}

/** @param {string} name @param {string} value */
export function remember(name, value) {
  try {
    localStorage.setItem(prefix + name, value);
  } catch {}
}

/** Newest first. @returns {RememberedJob[]} */
export function recallJobs() {
  try {
    const jobs = JSON.parse(recall('jobs') ?? '[]');
    return jobs.filter((/** @type {any} */ job) => typeof job?.id === 'string' && typeof job?.prompt === 'string');
  } catch {
    return [];
  }
}

/** Read again before each change: other tabs have jobs too. @param {RememberedJob} job */
export function rememberJob(job) {
  const others = recallJobs().filter(({ id }) => id !== job.id);
  saveJobs([{ ...job, prompt: job.prompt.slice(0, longestPrompt) }, ...others].slice(0, mostJobs));
}

/** @param {string} id */
export function forgetJob(id) {
  saveJobs(recallJobs().filter((job) => job.id !== id));
}

/** @param {RememberedJob[]} jobs */
function saveJobs(jobs) {
  remember('jobs', JSON.stringify(jobs));
}
