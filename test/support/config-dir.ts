import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repository } from '../../local/child.ts';

export type ConfigChanges = {
  /** A configuration folder to use as it is; by default the repository's own `config/`. */
  configDir?: string | undefined;
  /** Whole content of `lanes.json`, in place of the folder's. */
  lanes?: object | undefined;
  /** Whole content of `limits.json`, in place of the folder's. */
  limits?: object | undefined;
};

/** A configuration folder of the test's own: a copy, with what is given in place of the files. `remove` deletes it. */
export async function createConfigDir(changes: ConfigChanges): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'penstock-config-'));
  await cp(changes.configDir ?? join(repository, 'config'), path, { recursive: true });
  for (const name of ['lanes', 'limits'] as const) {
    if (changes[name]) await writeFile(join(path, `${name}.json`), JSON.stringify(changes[name], null, 2));
  }
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
