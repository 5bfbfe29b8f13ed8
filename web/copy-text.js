/** How long a button says that it has copied. */
const saidForMs = 1_600;

/**
 * Makes a button copy a text, and say so. Where the page may not write to the clipboard (plain http to another host than
 * this one), the text is selected instead, to be copied by hand.
 * @param {HTMLElement} button
 * @param {() => string} text
 * @param {HTMLElement} shownIn the element that shows the text
 */
export function copyOnClick(button, text, shownIn) {
  const label = button.textContent;
  let timer = 0;
  button.addEventListener('click', async () => {
    const isCopied = await writeClipboard(text());
    if (!isCopied) getSelection()?.selectAllChildren(shownIn);
    button.textContent = isCopied ? 'Copied' : 'Selected';
    clearTimeout(timer);
    timer = setTimeout(() => {
      button.textContent = label;
    }, saidForMs);
  });
}

/** @param {string} text */
async function writeClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
