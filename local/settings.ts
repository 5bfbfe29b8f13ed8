import { z } from 'zod';
import { type Mode, modes, opsPortVariable } from './modes.ts';

const port = z.string().regex(/^\d+$/).transform(Number).pipe(z.int().min(1).max(65_535));

/** Fixed ports, so that a README can name them; each is moved by its variable. */
const ports = {
  PENSTOCK_PORT: port.default(8080),
  PENSTOCK_API_OPS_PORT: port.default(9464),
  PENSTOCK_WORKER_OPS_PORT: port.default(9465),
  PENSTOCK_FANOUT_ROUTER_OPS_PORT: port.default(9466),
  PENSTOCK_BATCH_SCHEDULER_OPS_PORT: port.default(9467),
  PENSTOCK_LOCAL_AWS_PORT: port.default(4566),
  PENSTOCK_LOCAL_DYNAMODB_PORT: port.default(4567),
  EMULATOR_PORT: port.default(4568),
};

const settings = z.object({
  ...ports,
  /** Where the api listens, and where the ops servers do. */
  PENSTOCK_HOST: z.string().default('127.0.0.1'),
  PENSTOCK_OPS_HOST: z.string().default('127.0.0.1'),
  /** `disk` keeps queues, tables and objects under `.local/` from one start to the next. */
  PENSTOCK_LOCAL_DATA: z.enum(['memory', 'disk']).default('memory'),
});

export type Settings = z.infer<typeof settings>;
export type PortVariable = keyof typeof ports;

/** A mistake of the user's, told in one line: `main` prints the message and no stack. */
export class LocalStartError extends Error {}

/**
 * Reads what local mode takes from the environment; an empty variable counts as unset.
 * Throws a LocalStartError that names the first wrong variable, or two that claim the same port.
 */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const read = settings.safeParse(given);
  if (!read.success) {
    const name = String(read.error.issues[0]?.path[0]);
    const wanted = name in ports ? 'a whole number from 1 to 65535' : '"memory" or "disk"';
    throw new LocalStartError(`${name} must be ${wanted}, not ${JSON.stringify(env[name])}`);
  }
  const claims = new Map<number, PortVariable>();
  for (const name of usedPorts) {
    const other = claims.get(read.data[name]);
    if (other) throw new LocalStartError(`${other} and ${name} are both ${read.data[name]}`);
    claims.set(read.data[name], name);
  }
  return read.data;
}

/** The variables of the ports that are really listened on: a mode that does not run claims none. */
export const usedPorts: readonly PortVariable[] = [
  'PENSTOCK_PORT',
  ...modes.map((mode: Mode) => opsPortVariable[mode]),
  'PENSTOCK_LOCAL_AWS_PORT',
  'PENSTOCK_LOCAL_DYNAMODB_PORT',
  'EMULATOR_PORT',
];
