/**
 * An input that fits a tool's JSON schema as far as `type`, `properties`, `required` and `enum` go: required properties
 * only, strings quote the prompt, numbers are 1.
 */
export function makeToolInput(schema: unknown, prompt: string): unknown {
  const { type, properties, required, enum: choices, items } = asSchema(schema);
  if (choices !== undefined && choices.length > 0) return choices[0];
  switch (type) {
    case 'string':
      return prompt.slice(0, 60);
    case 'number':
    case 'integer':
      return 1;
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'array':
      return items === undefined ? [] : [makeToolInput(items, prompt)];
    default:
      return Object.fromEntries((required ?? []).map((name) => [name, makeToolInput(properties?.[name], prompt)]));
  }
}

type Schema = {
  type?: unknown;
  properties?: Record<string, unknown>;
  required?: string[];
  enum?: unknown[];
  items?: unknown;
};

function asSchema(schema: unknown): Schema {
  return typeof schema === 'object' && schema !== null ? (schema as Schema) : { type: 'string' };
}
