import { z } from 'zod';
import { compilePattern, compileRules, type RuleSet } from './event-pattern.ts';
import { branchSchema, joinSchema, reduceSchema } from './fanout-request.ts';

/**
 * The shape of `config/fanout-rules.json`: which fan-outs go where, if they name no branches themselves. Each rule is an
 * EventBridge event pattern over what is known of the fan-out, with the branches that it adds.
 */
const decomposeSchema = z.strictObject({
  items: z
    .string()
    .regex(/^\{%[\s\S]*%\}$/, 'a JSONata expression inside {% %}')
    .describe('Gives the sub-tasks as an array; sees $input, $attributes, $metadata'),
  model: z.string().min(1).max(256),
  input: z
    .record(z.string(), z.unknown())
    .describe('Of each sub-task; strings that are {% %} see $item and $index too'),
});

const ruleSchema = z
  .strictObject({
    // Short enough that `-100` behind it is still the name of a branch.
    name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,59}$/, '1 to 60 letters, digits, _, . and -'),
    pattern: z.record(z.string(), z.unknown()),
    branches: z.array(branchSchema).max(100).optional(),
    decompose: decomposeSchema.optional().describe('Splits the input into sub-tasks, a branch each'),
    join: joinSchema.optional(),
    reduce: reduceSchema.optional(),
  })
  .refine((rule) => rule.branches !== undefined || rule.decompose !== undefined, {
    message: 'a rule adds branches, or decomposes',
  });

export const fanoutRulesSchema = z
  .strictObject({ $schema: z.string().optional(), rules: z.array(ruleSchema).max(10_000) })
  .superRefine((file, context) => {
    const names = new Set<string>();
    for (const [index, { name, pattern }] of file.rules.entries()) {
      if (names.has(name))
        context.addIssue({ code: 'custom', path: ['rules', index, 'name'], message: `${name} is there twice` });
      names.add(name);
      try {
        compilePattern(pattern, `rules[${index}].pattern`);
      } catch (error) {
        context.addIssue({
          code: 'custom',
          path: ['rules', index, 'pattern'],
          message: error instanceof Error ? error.message : String(error),
        });
      }
    }
  });
export type FanoutRule = z.infer<typeof ruleSchema>;

/** The rules of a deployment, compiled once. */
export interface FanoutRules {
  all: readonly FanoutRule[];
  /** Those that match, in the order of the file. */
  matching(event: FanoutFacts): FanoutRule[];
}

/** What rules look at. */
export interface FanoutFacts {
  tenant: string;
  /** Kinds of content in the input: text, image, document, video, audio. */
  modality: string[];
  /** Characters of text in the input. */
  textLength: number;
  attributes: Record<string, unknown>;
  metadata: Record<string, string>;
}

/** Makes the look-up of a checked rules file. */
export function toFanoutRules(file: z.infer<typeof fanoutRulesSchema>): FanoutRules {
  const set: RuleSet = compileRules(file.rules.map(({ name, pattern }) => ({ name, pattern })));
  const byName = new Map(file.rules.map((rule) => [rule.name, rule]));
  return { all: file.rules, matching: (event) => set.matchAll(event).flatMap((name) => byName.get(name) ?? []) };
}
