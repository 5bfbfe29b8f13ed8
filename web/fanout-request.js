/** What is sent for a fan-out. Pure. */

/** @typedef {import('./fanout-state.js').Plan} Plan */

/** The server takes names of at most this. */
const longestName = 64;

/**
 * What people call a model, as a branch may be named: without region, vendor, date and version.
 * @param {string} model
 */
export function shortName(model) {
  const short = model
    .replace(/^([a-z-]+\.){1,2}/, '')
    .replace(/-v\d+(:[\w.]+)*$/, '')
    .replace(/-\d{8}$/, '');
  const allowed = (short || model).replaceAll(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  return allowed.slice(0, longestName) || 'model';
}

/** One branch for each model; names are unique. @param {readonly string[]} models @returns {Plan['branches']} */
export function branchesFor(models) {
  const taken = new Set();
  return models.map((model) => {
    const short = shortName(model);
    let name = short;
    for (let n = 2; taken.has(name); n += 1) name = `${short.slice(0, longestName - 4)}-${n}`;
    taken.add(name);
    return { name, model };
  });
}

/**
 * The body of `POST /v1/fanouts`.
 * @param {{ prompt: string, priority: string, plan: Plan }} fanout
 */
export function fanoutBody({ prompt, priority, plan }) {
  const { branches, policy, count, reduce } = plan;
  // Who asks all wants to see the others when one fails; the answer is marked as partial then.
  const joins = {
    all: { policy, onBranchFailure: 'continue' },
    any: { policy },
    quorum: { policy, count: Math.min(count, branches.length) },
  };
  const input = { messages: [{ role: 'user', content: [{ text: prompt }] }] };
  return { input, branches, join: joins[policy], reduce, priority };
}
