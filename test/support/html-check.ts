import { type DefaultTreeAdapterTypes, parse } from 'parse5';

/** What a browser would see in a page that could run or fetch something. */
export function dangersIn(html: string): string[] {
  const found: string[] = [];
  visit(parse(html), found);
  return found;
}

const active = [
  'script',
  'iframe',
  'object',
  'embed',
  'img',
  'link',
  'form',
  'base',
  'video',
  'audio',
  'foreignObject',
  'use',
  'a',
];

function visit(node: DefaultTreeAdapterTypes.Node, found: string[]): void {
  if ('tagName' in node) {
    const { tagName, attrs } = node;
    if (active.includes(tagName)) found.push(`<${tagName}>`);
    for (const { name, value } of attrs) {
      if (/^on/i.test(name)) found.push(`${tagName} ${name}`);
      if (/^\s*(javascript|data|vbscript):/i.test(value)) found.push(`${tagName} ${name}=${value}`);
    }
  }
  if ('childNodes' in node) for (const child of node.childNodes) visit(child, found);
}

/** All text of a page, as read. */
export function textIn(html: string): string {
  const texts: string[] = [];
  const collect = (node: DefaultTreeAdapterTypes.Node): void => {
    if ('value' in node) texts.push(node.value);
    if ('childNodes' in node && !('tagName' in node && node.tagName === 'style')) node.childNodes.forEach(collect);
  };
  collect(parse(html));
  return texts.join('');
}
