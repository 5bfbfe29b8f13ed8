import { z } from 'zod';
import type { EmulatorOptions } from './emulator.ts';

const text = z.string().min(1).optional();
const environment = z.object({
  EMULATOR_PORT: z.coerce.number().int().min(0).max(65_535).default(4568),
  EMULATOR_HOST: z.string().min(1).default('127.0.0.1'),
  EMULATOR_SEED: text,
  EMULATOR_LATENCY: z.enum(['0', '1']).default('1'),
  EMULATOR_ASYNC_MS: z.coerce.number().int().min(0).optional(),
  EMULATOR_UPSTREAM_URL: z.url().optional(),
  EMULATOR_UPSTREAM_MODEL: text,
  AWS_ENDPOINT_URL: z.url().optional(),
  AWS_ENDPOINT_URL_S3: z.url().optional(),
});

/**
 * The options that the environment gives; an empty variable counts as not set. Throws an Error whose message is one
 * line that names each wrong variable.
 */
export function readEmulatorEnv(
  env: Record<string, string | undefined>,
): EmulatorOptions & { port: number; host: string } {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const read = environment.safeParse(set);
  if (!read.success) {
    throw new Error(read.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
  }
  const values = read.data;
  return {
    port: values.EMULATOR_PORT,
    host: values.EMULATOR_HOST,
    seed: values.EMULATOR_SEED,
    latencyOff: values.EMULATOR_LATENCY === '0',
    asyncMs: values.EMULATOR_ASYNC_MS,
    upstreamUrl: values.EMULATOR_UPSTREAM_URL,
    upstreamModel: values.EMULATOR_UPSTREAM_MODEL,
    s3Endpoint: values.AWS_ENDPOINT_URL_S3 ?? values.AWS_ENDPOINT_URL,
  };
}
