import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { type FanoutRules, fanoutRulesSchema, toFanoutRules } from '../core/fanout-rules.ts';
import { type Lanes, lanesFileSchema, toLanes } from '../core/lanes.ts';
import { type Limits, limitsFileSchema } from '../core/limits.ts';
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
