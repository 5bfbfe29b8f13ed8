/** A value that must not leave the process that evaluated it. */
export class ResultError extends Error {
  readonly code: 'expression_failed' | 'expression_too_large';

  constructor(code: 'expression_failed' | 'expression_too_large', message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * The JSON text of what an expression gave: `[value]`, or `[]` for JSONata's "nothing". Throws ResultError for what JSON
 * cannot say (functions, regular expressions, numbers that are not finite), anywhere in it, and for more than
 * `mostCharacters`. What the text has at least is counted on the way: `($x := [$x, $x])` thirty times over is small in memory and a gigabyte as text.
 */
export function toResultJson(value: unknown, mostCharacters: number): string {
  if (value === undefined) return '[]';
  let characters = 0;
  const json = JSON.stringify([value], (_, item: unknown) => {
    characters += typeof item === 'string' ? item.length : 1;
    if (characters > mostCharacters) throw tooLarge(mostCharacters);
    refuseOtherThanJson(item);
    return item;
  });
  if (json.length > mostCharacters) throw tooLarge(mostCharacters);
  return json;
}

function refuseOtherThanJson(item: unknown): void {
  if (typeof item === 'function' || isJsonataFunction(item)) {
    throw new ResultError(
      'expression_failed',
      'The value is not JSON: it has a function or a regular expression in it.',
    );
  }
  if (typeof item === 'number' && !Number.isFinite(item)) {
    throw new ResultError('expression_failed', `The value is not JSON: it has the number ${item} in it.`);
  }
}

/** JSONata keeps its functions in objects that it marks; a data object with such a mark is a function to JSONata, too. */
function isJsonataFunction(item: unknown): boolean {
  if (typeof item !== 'object' || item === null) return false;
  return '_jsonata_function' in item || '_jsonata_lambda' in item;
}

function tooLarge(mostCharacters: number): ResultError {
  return new ResultError('expression_too_large', `The value is larger than ${mostCharacters} characters of JSON.`);
}
