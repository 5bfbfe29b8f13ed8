import { z } from 'zod';

/** RFC 9457, as far as people read it. */
const problemSchema = z.object({
  title: z.string(),
  detail: z.string().optional(),
  code: z.string().optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});

/** A problem as a line or a few: what it is, what went wrong this time, and each wrong value with its place. */
export function problemText(status: number, body: string, url: string): string {
  const problem = parse(body);
  if (problem === undefined) return `${url} answered ${status}, and does not say why`;
  const { title, detail, code, errors = [] } = problem;
  const first = `${title}${code === undefined ? '' : ` (${code})`}`;
  const lines = errors.map(({ path, message }) => `  ${path}: ${message}`);
  // The detail of wrong values says the first of them again.
  return [lines.length > 0 || detail === undefined ? first : `${first}: ${detail}`, ...lines].join('\n');
}

function parse(body: string): z.infer<typeof problemSchema> | undefined {
  try {
    return problemSchema.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}
