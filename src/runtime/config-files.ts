import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { z } from 'zod';
import { pipelineNameSchema } from '../core/batch-request.ts';
import { type FanoutRules, fanoutRulesSchema, toFanoutRules } from '../core/fanout-rules.ts';
import { type Lanes, lanesFileSchema, toLanes } from '../core/lanes.ts';
import { type Limits, limitsFileSchema } from '../core/limits.ts';
import { type PipelineFile, pipelineFileSchema } from '../core/pipeline.ts';
import { expressionProblems } from './check-steps.ts';
import { ConfigError } from './config.ts';

/**
 * Reads `lanes.json`.
 * @throws ConfigError with the path of each wrong value, like `config/lanes.json: lanes.nova-lite.quota.requestsPerMinute: ...`
 */
export function readLanes(configDir: string): Lanes {
  return toLanes(readJsonFile(join(configDir, 'lanes.json'), lanesFileSchema));
}

/** Reads `limits.json`. @throws ConfigError as `readLanes` */
export function readLimits(configDir: string): Limits {
  return readJsonFile(join(configDir, 'limits.json'), limitsFileSchema);
}

/** Reads `fanout-rules.json`. @throws ConfigError as `readLanes`, for wrong patterns too */
export function readFanoutRules(configDir: string): FanoutRules {
  return toFanoutRules(readJsonFile(join(configDir, 'fanout-rules.json'), fanoutRulesSchema));
}

/** The pipelines that batches may name. */
export type Pipelines = ReadonlyMap<string, PipelineFile>;

/**
 * Reads `pipelines/<name>.json`; a folder that is not there has none.
 * @throws ConfigError as `readLanes`, for expressions that cannot be read too
 */
export function readPipelines(configDir: string): Pipelines {
  const folder = join(configDir, 'pipelines');
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.json')) : [];
  return new Map(files.sort().map((file) => [basename(file, '.json'), readPipeline(join(folder, file))]));
}

function readPipeline(file: string): PipelineFile {
  const name = pipelineNameSchema.safeParse(basename(file, '.json'));
  if (!name.success) throw new ConfigError(`${file}: ${name.error.issues[0]?.message}`);
  const pipeline = readJsonFile(file, pipelineFileSchema);
  const problems = expressionProblems(pipeline.steps);
  if (problems.length === 0) return pipeline;
  // As the schema's own paths are written: with dots.
  const lines = problems.map(({ path, message }) => `${file}: ${path.replace(/\[(\d+)\]/g, '.$1')}: ${message}`);
  throw new ConfigError(lines.join('\n'));
}

function readJsonFile<T>(file: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new ConfigError(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => `${file}: ${issue.path.join('.') || '(top)'}: ${issue.message}`);
  throw new ConfigError(lines.join('\n'));
}
