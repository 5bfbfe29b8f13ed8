import { ExpressionError } from './expression-error.ts';

/** An expression of a template, without its `{%` and `%}`. */
export type FoundExpression = { path: string; expression: string };

// A recursion of this depth is far from the end of the stack; a template of requests is some ten levels deep.
const MOST_LEVELS = 200;
const OPENING = '{%';
const CLOSING = '%}';

/**
 * The expressions of a JSON template, in the order in which `fillTemplate` wants their values. A string is one where it
 * begins with `{%` and ends with `%}`, as in Step Functions
 * (https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html); names of members are never expressions.
 * Throws `expression_too_large` for a template nested deeper than 200 levels.
 */
export function findExpressions(template: unknown): FoundExpression[] {
  const found: FoundExpression[] = [];
  mapStrings(template, '', 0, (text, path) => {
    const expression = expressionIn(text);
    if (expression !== undefined) found.push({ path, expression });
    return text;
  });
  return found;
}

/**
 * The template with the values of its expressions in their places. Where there is no value (undefined), the member or the
 * item is left out, as in JSONata's own objects and arrays; the whole template may be one.
 */
export function fillTemplate(template: unknown, values: readonly unknown[]): unknown {
  let next = 0;
  return mapStrings(template, '', 0, (text) => {
    if (expressionIn(text) === undefined) return text;
    next += 1;
    return values[next - 1];
  });
}

/** The expression that a string is as a whole, or undefined. */
function expressionIn(text: string): string | undefined {
  const isOne = text.startsWith(OPENING) && text.endsWith(CLOSING) && text.length >= OPENING.length + CLOSING.length;
  return isOne ? text.slice(OPENING.length, -CLOSING.length) : undefined;
}

function mapStrings(
  node: unknown,
  path: string,
  level: number,
  onString: (text: string, path: string) => unknown,
): unknown {
  if (typeof node === 'string') return onString(node, path);
  if (typeof node !== 'object' || node === null) return node;
  if (level >= MOST_LEVELS) {
    throw new ExpressionError('expression_too_large', `The template is nested deeper than ${MOST_LEVELS} levels.`);
  }
  if (Array.isArray(node)) {
    const items = node.map((item, index) => mapStrings(item, `${path}[${index}]`, level + 1, onString));
    return items.filter((item) => item !== undefined);
  }
  const members = Object.entries(node).map(([name, member]) => {
    return [name, mapStrings(member, path === '' ? name : `${path}.${name}`, level + 1, onString)] as const;
  });
  // fromEntries defines members: by assignment, one named __proto__ would be lost.
  return Object.fromEntries(members.filter(([, member]) => member !== undefined));
}
