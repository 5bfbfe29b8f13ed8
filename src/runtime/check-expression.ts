import jsonata from 'jsonata';

/**
 * The longest expression. The parser's time grows with the square of some inputs (chains of `%.` and of `a@$b.`): at this
 * length the worst that was found takes up to a third of a second in a cold process and a tenth in a warm one; at four
 * times of it more than half a second, in a process that serves others meanwhile.
 */
export const MOST_EXPRESSION_CHARACTERS = 4_096;

/**
 * What is wrong with the syntax of a JSONata expression, with the position, or undefined. Nothing is evaluated: a regular
 * expression in it is read, not run. Safe for any text: longer ones than `MOST_EXPRESSION_CHARACTERS` are refused unread,
 * and nesting that would exhaust the stack is an answer like another. A name that does not exist is not found here.
 */
export function checkExpression(expression: string): string | undefined {
  if (expression.length > MOST_EXPRESSION_CHARACTERS) {
    return `The expression is longer than ${MOST_EXPRESSION_CHARACTERS} characters.`;
  }
  try {
    jsonata(expression);
    return undefined;
  } catch (error) {
    if (error instanceof RangeError) return 'The expression is nested too deeply.';
    const { message, position } = error as { message: string; position?: number };
    return position === undefined ? message : `${message} (at character ${position})`;
  }
}
