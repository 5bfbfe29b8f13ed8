import { ConverseRequest$ } from '@aws-sdk/client-bedrock-runtime';
import { NormalizedSchema } from '@smithy/core/schema';

/**
 * Converse bodies between our wire (JSON, bytes in base64) and the SDK (real bytes), along the SDK's own shapes.
 * Passed through as they are, bytes would go out encoded twice; and the SDK's serializer drops members that it does
 * not know without a word, which here is an error with a path.
 */

export interface ShapeProblem {
  path: string;
  message: string;
}

/**
 * A converse request (without `modelId`) as the SDK wants it.
 * @param input what the caller sent
 * @param root the path that problems begin with
 * @returns the input with real bytes, and every place where it is not of the shape
 */
export function toConverseInput(
  input: unknown,
  root: string,
): { value: Record<string, unknown>; problems: ShapeProblem[] } {
  const problems: ShapeProblem[] = [];
  const value = decode(NormalizedSchema.of(ConverseRequest$), input, root, problems) as Record<string, unknown>;
  if (typeof input === 'object' && input !== null && 'modelId' in input)
    problems.push({ path: `${root}.modelId`, message: 'the model stands in the field model of the job' });
  if (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value.messages) &&
    !problems.some((problem) => problem.path === `${root}.messages`)
  )
    problems.push({ path: `${root}.messages`, message: 'required: at least one message' });
  return { value, problems };
}

type Decode = (schema: NormalizedSchema, value: unknown, path: string, problems: ShapeProblem[]) => unknown;

const decode: Decode = (schema, value, path, problems) => {
  if (schema.isDocumentSchema()) return value;
  if (schema.isStructSchema()) return decodeStruct(schema, value, path, problems);
  if (schema.isListSchema()) return decodeList(schema, value, path, problems);
  if (schema.isMapSchema()) return decodeMap(schema, value, path, problems);
  return decodeSimple(schema, value, path, problems);
};

const decodeStruct: Decode = (schema, value, path, problems) => {
  if (!isObject(value)) return wrong(value, 'an object', path, problems);
  const members = schema.getMemberSchemas();
  const entries = Object.entries(value).filter(([, member]) => member !== null);
  if (schema.isUnionSchema() && entries.length !== 1)
    problems.push({ path, message: `exactly one of ${Object.keys(members).join(', ')}` });
  return Object.fromEntries(
    entries.map(([name, member]) => {
      const memberSchema = Object.hasOwn(members, name) ? members[name] : undefined;
      if (memberSchema === undefined) {
        problems.push({ path: `${path}.${name}`, message: 'unknown field' });
        return [name, member];
      }
      return [name, decode(memberSchema, member, `${path}.${name}`, problems)];
    }),
  );
};

const decodeList: Decode = (schema, value, path, problems) => {
  if (!Array.isArray(value)) return wrong(value, 'an array', path, problems);
  const itemSchema = schema.getValueSchema();
  return value.map((item, index) => decode(itemSchema, item, `${path}[${index}]`, problems));
};

const decodeMap: Decode = (schema, value, path, problems) => {
  if (!isObject(value)) return wrong(value, 'an object', path, problems);
  const itemSchema = schema.getValueSchema();
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, decode(itemSchema, item, `${path}.${name}`, problems)]),
  );
};

const decodeSimple: Decode = (schema, value, path, problems) => {
  if (schema.isBlobSchema()) return decodeBlob(value, path, problems);
  if (schema.isStringSchema()) return typeof value === 'string' ? value : wrong(value, 'a string', path, problems);
  if (schema.isBooleanSchema())
    return typeof value === 'boolean' ? value : wrong(value, 'true or false', path, problems);
  if (schema.isNumericSchema()) return typeof value === 'number' ? value : wrong(value, 'a number', path, problems);
  return value;
};

function decodeBlob(value: unknown, path: string, problems: ShapeProblem[]): unknown {
  if (typeof value !== 'string') return wrong(value, 'a string in base64', path, problems);
  // Buffer skips what is not base64; a round trip tells. Padding may be left out. (No pattern for the padding at the end:
  // `=+$` takes minutes for a megabyte of `=`.)
  const bytes = Buffer.from(value, 'base64');
  if (bytes.toString('base64') !== value.padEnd(4 * Math.ceil(value.length / 4), '='))
    return wrong(value, 'a string in base64', path, problems);
  return new Uint8Array(bytes);
}

function wrong(value: unknown, wanted: string, path: string, problems: ShapeProblem[]): unknown {
  problems.push({ path, message: `must be ${wanted}` });
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An SDK answer as JSON: bytes in base64, dates in ISO 8601, without the SDK's own `$metadata`. */
export function toJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, member]) => name !== '$metadata' && member !== undefined)
      .map(([name, member]) => [name, toJson(member)]),
  );
}
