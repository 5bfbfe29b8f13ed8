import { z } from 'zod';
import { traceCarrierSchema } from './trace-carrier.ts';

/**
 * What travels through a lane's queues: a pointer to the job, never its content, so that a message is always small
 * and an old one can be told from a new one.
 */
const pointerSchema = z.object({
  v: z.literal(1),
  jobId: z.string().min(1).max(64),
  generation: z.int().min(1),
  tenant: z.string().min(1),
  lane: z.string().min(1),
  trace: traceCarrierSchema,
});
export type Pointer = z.infer<typeof pointerSchema>;

export type ReadPointer =
  | { kind: 'pointer'; pointer: Pointer }
  /** A version of tomorrow (a rolling deploy runs two versions at once): to be put back for a worker that knows it. */
  | { kind: 'unknown-version'; version: unknown }
  /** Not ours at all: left to the queue's redrive policy. */
  | { kind: 'unreadable' };

/** The text of a message. */
export function writePointer(pointer: Pointer): string {
  return JSON.stringify(pointer);
}

/** Reads a message's body; never throws. */
export function readPointer(body: string): ReadPointer {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { kind: 'unreadable' };
  }
  const parsed = pointerSchema.safeParse(value);
  if (parsed.success) return { kind: 'pointer', pointer: parsed.data };
  const version = typeof value === 'object' && value !== null && 'v' in value ? value.v : undefined;
  return typeof version === 'number' && version !== 1 ? { kind: 'unknown-version', version } : { kind: 'unreadable' };
}
