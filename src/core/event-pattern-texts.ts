import { parseCidr } from './event-pattern-cidr.ts';
import { describe, type Refuse } from './event-pattern-problems.ts';
import { addressIn, ignoringCase, likeWildcard, textPart, type ValueTest } from './event-pattern-values.ts';
import { parseWildcard } from './event-pattern-wildcard.ts';

/** The operands that are texts. Each function gives undefined, and tells, where the operand is wrong. */

/** Of `prefix` (`head`) and `suffix` (`tail`): `"abc"`, or `{"equals-ignore-case": "abc"}`. */
export function parseEnd(part: 'head' | 'tail', operand: unknown, path: string, refuse: Refuse): ValueTest | undefined {
  if (typeof operand === 'string') return textPart(part, operand);
  const inner = ignoredCaseOperand(operand);
  if (inner === undefined) {
    refuse(path, `must be a text or {"equals-ignore-case": text}, not ${describe(operand)}`);
    return undefined;
  }
  return onText(inner.text, `${path}.equals-ignore-case`, refuse, (text) => ignoringCase(part, text));
}

/** Of `equals-ignore-case`. */
export function parseWhole(operand: unknown, path: string, refuse: Refuse): ValueTest | undefined {
  return onText(operand, path, refuse, (text) => ignoringCase('whole', text));
}

/** Of `wildcard`. */
export function parseWildcardText(operand: unknown, path: string, refuse: Refuse): ValueTest | undefined {
  return onText(operand, path, refuse, (text) => {
    const wildcard = parseWildcard(text);
    if ('literals' in wildcard) return likeWildcard(wildcard.literals);
    refuse(path, wildcard.wrong);
    return undefined;
  });
}

/** Of `cidr`. */
export function parseBlock(operand: unknown, path: string, refuse: Refuse): ValueTest | undefined {
  return onText(operand, path, refuse, (text) => {
    const block = parseCidr(text);
    if ('network' in block) return addressIn(block.network);
    refuse(path, block.wrong);
    return undefined;
  });
}

function ignoredCaseOperand(operand: unknown): { text: unknown } | undefined {
  if (typeof operand !== 'object' || operand === null) return undefined;
  const [only, ...more] = Object.entries(operand);
  return only?.[0] === 'equals-ignore-case' && more.length === 0 ? { text: only[1] } : undefined;
}

function onText(
  operand: unknown,
  path: string,
  refuse: Refuse,
  compile: (text: string) => ValueTest | undefined,
): ValueTest | undefined {
  if (typeof operand === 'string') return compile(operand);
  refuse(path, `must be a text, not ${describe(operand)}`);
  return undefined;
}
