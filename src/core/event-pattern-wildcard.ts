/**
 * Wildcards: `*` stands for any number of characters, none too; `\*` and `\\` for the character itself.
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html#eb-filtering-wildcard-matching
 */

/**
 * Takes a wildcard apart at its stars.
 * @returns the literal texts before, between and after the stars (one text: no star), or in `wrong` why it is refused
 */
export function parseWildcard(text: string): { literals: readonly string[] } | { wrong: string } {
  const literals: string[] = [];
  let literal = '';
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '\\') {
      at += 1;
      const escaped = text.charAt(at);
      if (escaped !== '*' && escaped !== '\\')
        return { wrong: `the backslash at character ${at} must stand before * or another backslash` };
      literal += escaped;
    } else if (character === '*') {
      if (text.charAt(at + 1) === '*') return { wrong: `two * in a row at character ${at + 1}: one says the same` };
      literals.push(literal);
      literal = '';
    } else literal += character;
  }
  literals.push(literal);
  return { literals };
}

/**
 * Whether the text has the literals in this order with anything between them. Takes each literal where it comes first,
 * which loses no match and never goes back: no text makes it slow.
 */
export function matchesWildcard(text: string, literals: readonly string[]): boolean {
  const head = literals[0] ?? '';
  const tail = literals.at(-1) ?? '';
  if (literals.length === 1) return text === head;
  const end = text.length - tail.length;
  if (end < head.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
  let from = head.length;
  for (let index = 1; index < literals.length - 1; index += 1) {
    const literal = literals[index] ?? '';
    const found = text.indexOf(literal, from);
    if (found < 0 || found + literal.length > end) return false;
    from = found + literal.length;
  }
  return true;
}
