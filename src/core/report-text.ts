/**
 * Values of data and models as Markdown. What they say is text and stays text: no HTML, no links, no images, whoever
 * renders it. Lists and emphasis of a text that stands alone are kept. Pure.
 */

/** As entities: after a backslash of the data, a backslash of ours would be the one that is escaped. */
const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '[': '&#91;',
  ']': '&#93;',
  '\\': '&#92;',
  '`': '&#96;',
};
/** Beside those, what would be emphasis, a cell's end or a heading within a line; `_` inside a word is none. */
const inlineEntities: Record<string, string> = {
  ...entities,
  '|': '&#124;',
  '*': '&#42;',
  _: '&#95;',
  '#': '&#35;',
  '~': '&#126;',
};

const mostRows = 200;
const mostColumns = 12;
const mostCellCharacters = 400;

/** A value within a line. */
export function inlineText(value: unknown): string {
  if (isList(value)) return value.map(inlineText).join(', ');
  return plainText(value)
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[&<>[\]\\`|*#~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, (character) => inlineEntities[character] as string)
    .replace(/(https?|ftp):/gi, '$1&#58;')
    .replace(/\bwww\./gi, (www) => `${www.slice(0, 3)}&#46;`)
    .replace(/@/g, '&#64;');
}

/** A value that stands alone: text as paragraphs, records as a table, a list as a list, all else as JSON. */
export function blockText(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return paragraphs(value);
  if (typeof value !== 'object') return inlineText(value);
  if (isList(value))
    return (
      value
        .slice(0, mostRows)
        .map((item) => `- ${inlineText(item)}`)
        .join('\n') + more(value.length)
    );
  if (isRecords(value)) return recordsTable(value);
  return jsonBlock(value);
}

/** A text with its line ends. Its headings are made small ones: those of the report are not its own. */
function paragraphs(text: string): string {
  return (
    text
      .replace(/\r\n?/g, '\n')
      .replace(/[&<>[\]\\`]/g, (character) => entities[character] as string)
      .replace(/(https?|ftp):/gi, '$1&#58;')
      .replace(/\bwww\./gi, (www) => `${www.slice(0, 3)}&#46;`)
      .replace(/@/g, '&#64;')
      .replace(/^\s{0,3}#{1,6}(?=\s)/gm, '####')
      // A line of these under a text makes it a heading; four spaces make code of it.
      .replace(/^\s{0,3}(=+|-{2,})\s*$/gm, '')
      .replace(/^ {4,}/gm, '   ')
      .trim()
  );
}

export function plainText(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(Number(value.toPrecision(12)));
  return JSON.stringify(value) ?? '';
}

/** A table; its cells are values. */
export function markdownTable(head: readonly unknown[], rows: readonly (readonly unknown[])[]): string {
  const line = (cells: readonly unknown[]) => `| ${cells.map((cell) => cut(cell)).join(' | ')} |`;
  const shown = rows.slice(0, mostRows);
  return [line(head), `|${' --- |'.repeat(head.length)}`, ...shown.map(line)].join('\n') + more(rows.length);
}

function cut(cell: unknown): string {
  const text = plainText(cell);
  return inlineText(text.length > mostCellCharacters ? `${text.slice(0, mostCellCharacters).toWellFormed()}…` : cell);
}

function more(count: number): string {
  return count > mostRows ? `\n\n${count - mostRows} more` : '';
}

function recordsTable(records: readonly Record<string, unknown>[]): string {
  const columns = [...new Set(records.slice(0, mostRows).flatMap((record) => Object.keys(record)))].slice(
    0,
    mostColumns,
  );
  return markdownTable(
    columns,
    records.map((record) => columns.map((column) => record[column])),
  );
}

/** As escaped JSON: the same value, and no tag in it for those that do not know code from text. */
function jsonBlock(value: unknown): string {
  const escaped = JSON.stringify(value, undefined, 2).replace(
    /[<>&`]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `\`\`\`json\n${escaped}\n\`\`\``;
}

function isList(value: unknown): value is (string | number | boolean | null)[] {
  return Array.isArray(value) && value.every((item) => typeof item !== 'object' || item === null);
}

function isRecords(value: unknown): value is Record<string, unknown>[] {
  return (
    Array.isArray(value) && value.every((item) => typeof item === 'object' && item !== null && !Array.isArray(item))
  );
}
