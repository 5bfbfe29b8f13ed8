/**
 * A copy of a template's one element, with its `data-part` elements by name.
 * @param {string} templateId
 */
export function fromTemplate(templateId) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById(templateId));
  const root = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
  /** @param {string} name @returns {HTMLElement} */
  const part = (name) => {
    const found = root.querySelector(`[data-part="${name}"]`);
    if (!(found instanceof HTMLElement)) throw new Error(`the template ${templateId} has no part ${name}`);
    return found;
  };
  return { root, part };
}

/** Writes text only where it changes: what is selected stays selected, and nothing is announced twice. @param {HTMLElement} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
