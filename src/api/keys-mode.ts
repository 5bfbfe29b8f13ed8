import { defineCommand } from 'citty';
import { AwsError } from '../aws/aws-error.ts';
import { ConfigError } from '../runtime/config.ts';
import type { ProcessDeps } from '../runtime/process-deps.ts';
import { openState } from '../state/open-state.ts';
import type { StateDeps } from '../state/state-deps.ts';
import { createKey, listKeyLines, revoke } from './manage-keys.ts';

type Run = (work: () => Promise<void>) => Promise<void>;

/**
 * `penstock keys create | list | revoke`.
 * @param processDeps reads the configuration; called when a command runs
 * @param orExplain runs the work and ends the process with code 1 and one clear line where it throws ConfigError
 */
export function keysCommand(processDeps: () => ProcessDeps, orExplain: Run) {
  const act = (work: (state: StateDeps) => Promise<string[]>) => orExplain(() => withState(processDeps(), work));
  return defineCommand({
    meta: { name: 'keys', description: 'make, list and revoke API keys' },
    subCommands: {
      create: defineCommand({
        meta: { name: 'create', description: 'make a key; it is printed once and cannot be read again' },
        args: {
          tenant: { type: 'string', required: true, description: 'whose key it is' },
          scopes: { type: 'string', required: true, description: 'of submit, read and operate, separated by commas' },
          'expires-in-days': { type: 'string', description: 'when it stops; never, if left out' },
        },
        run: ({ args }) =>
          act((state) =>
            createKey(state, { tenant: args.tenant, scopes: args.scopes, expiresInDays: args['expires-in-days'] }),
          ),
      }),
      list: defineCommand({
        meta: { name: 'list', description: 'list keys by their ids; the keys themselves are not stored' },
        args: { tenant: { type: 'string', description: 'only the keys of this tenant' } },
        run: ({ args }) => act((state) => listKeyLines(state, args.tenant)),
      }),
      revoke: defineCommand({
        meta: { name: 'revoke', description: 'take a key away; it stops within a minute' },
        args: { id: { type: 'positional', required: true, description: 'the id that create and list show' } },
        run: ({ args }) => act((state) => revoke(state, args.id)),
      }),
    },
  });
}

/** Runs one command against the stores and prints its lines. */
async function withState(deps: ProcessDeps, work: (state: StateDeps) => Promise<string[]>): Promise<void> {
  const { state, clients } = openState(deps.config, deps.metrics);
  try {
    const lines = await work(state);
    process.stdout.write(lines.map((line) => `${line}\n`).join(''));
  } catch (error) {
    // Endpoint, credentials, a table that was never made: it is the environment that has to change.
    if (error instanceof AwsError) throw new ConfigError(`the key store does not answer: ${error.message}`);
    throw error;
  } finally {
    clients.destroy();
  }
}
