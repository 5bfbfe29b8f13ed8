import { branchesFor, shortName } from './fanout-request.js';
import { recall, remember } from './remembered.js';

/** @typedef {import('./fanout-state.js').Plan} Plan */

/**
 * The part of the form that asks further models the same: nothing of it stands out until one is ticked.
 * @param {{ also: HTMLElement, list: HTMLElement, options: HTMLElement, policy: HTMLSelectElement,
 *   quorum: HTMLInputElement, quorumField: HTMLElement, reduce: HTMLSelectElement }} elements
 */
export function createFanoutForm({ also, list, options, policy, quorum, quorumField, reduce }) {
  const wanted = new Set(recall('also')?.split('\n'));
  const boxes = () => /** @type {HTMLInputElement[]} */ ([...list.querySelectorAll('input')]);
  const ticked = () => boxes().flatMap((box) => (box.checked ? [box.value] : []));

  function show() {
    const branches = ticked().length + 1;
    options.hidden = branches === 1;
    quorumField.hidden = policy.value !== 'quorum';
    quorum.max = String(branches);
    if (branches > 1 && quorum.valueAsNumber > branches) quorum.value = String(branches);
  }

  also.addEventListener('change', ({ target }) => {
    const box = /** @type {HTMLInputElement} */ (target);
    if (box.checked) wanted.add(box.value);
    else wanted.delete(box.value);
    remember('also', [...wanted].join('\n'));
    show();
  });
  policy.addEventListener('change', show);

  return {
    /** Offers all models but the one that is asked anyway. @param {readonly string[]} models @param {string} asked */
    offer(models, asked) {
      const others = models.filter((model) => model !== asked);
      list.replaceChildren(...others.map((model) => tickBox(model, wanted.has(model))));
      also.hidden = others.length === 0;
      show();
    },
    /** What is to be asked; undefined where one model is. @param {string} asked @returns {Plan | undefined} */
    plan(asked) {
      const others = ticked();
      if (others.length === 0) return undefined;
      return {
        branches: branchesFor([asked, ...others]),
        policy: /** @type {Plan['policy']} */ (policy.value),
        count: Math.min(Math.max(1, Math.round(quorum.valueAsNumber) || 1), others.length + 1),
        reduce: /** @type {Plan['reduce']} */ (reduce.value),
      };
    },
  };
}

/** @param {string} model @param {boolean} isTicked */
function tickBox(model, isTicked) {
  const box = document.createElement('input');
  box.type = 'checkbox';
  box.value = model;
  box.checked = isTicked;
  const label = document.createElement('label');
  label.title = model;
  label.append(box, shortName(model));
  return label;
}
