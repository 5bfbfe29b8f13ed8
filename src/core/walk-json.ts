export interface JsonNode {
  value: unknown;
  /** The member's name; of an array's items, the array's own name with `[]`. */
  key: string;
  /** Like `input.messages[0].content`. */
  path: string;
}

/**
 * Each value of a JSON document, the root first, objects and arrays themselves included, in no promised order.
 * Iterative: a document nested a hundred thousand deep cannot exhaust the stack.
 */
export function* walkJson(root: unknown, rootPath: string): Generator<JsonNode> {
  const todo: JsonNode[] = [{ value: root, key: '', path: rootPath }];
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    yield node;
    const { value, key, path } = node;
    if (Array.isArray(value))
      for (const [index, item] of value.entries())
        todo.push({ value: item, key: `${key}[]`, path: `${path}[${index}]` });
    else if (typeof value === 'object' && value !== null)
      for (const [name, item] of Object.entries(value)) todo.push({ value: item, key: name, path: `${path}.${name}` });
  }
}
