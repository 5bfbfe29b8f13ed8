/** Errors as people see them. Everything in them may come from outside: text only. */

/**
 * Shows a problem in an element that is made for it, or clears it.
 * @param {HTMLElement} element
 * @param {import('./api.js').Problem | undefined} problem
 */
export function showProblem(element, problem) {
  element.hidden = problem === undefined;
  element.replaceChildren(...(problem === undefined ? [] : partsOf(problem)));
}

/** @param {import('./api.js').Problem} problem @returns {HTMLElement[]} */
function partsOf({ title, detail, errors = [] }) {
  const parts = [textElement('strong', title)];
  // The detail of wrong values says the first of them again.
  const isRepeat = errors.some(({ path, message }) => detail?.startsWith(`${path}: ${message}`));
  if (detail !== undefined && !isRepeat) parts.push(textElement('p', detail));
  if (errors.length > 0) {
    const list = document.createElement('ul');
    for (const { path, message } of errors) {
      const item = document.createElement('li');
      item.append(textElement('code', path), textElement('span', message));
      list.append(item);
    }
    parts.push(list);
  }
  return parts;
}

/** @param {string} name @param {string} text */
function textElement(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}
