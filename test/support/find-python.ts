import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const installTimeoutMs = 180_000;

export type Python = { python: string } | { missing: string };

/**
 * A Python that has a package: the machine's own, or one in a virtual environment that is made where Python and a package
 * index are at hand. Otherwise says in one sentence what is missing; never rejects.
 * @param wanted.module what must be importable
 * @param wanted.install the requirement that brings it
 * @param wanted.venv the folder of the environment, kept from one run to the next (`.local/` is not in git)
 */
export async function findPython(wanted: { module: string; install: string; venv: string }): Promise<Python> {
  const { module, install, venv } = wanted;
  for (const python of ['python3', `${venv}/bin/python`]) {
    if (await succeeds(python, ['-c', `import ${module}`])) return { python };
  }
  if (!(await succeeds('python3', ['--version']))) return { missing: 'there is no python3 on the path' };
  if (!(await succeeds('python3', ['-m', 'venv', venv]))) {
    return { missing: `python3 has no ${module}, and cannot make a virtual environment (python3-venv) to put it in` };
  }
  if (!(await succeeds(`${venv}/bin/python`, ['-m', 'pip', 'install', '--quiet', install]))) {
    return { missing: `python3 has no ${module}, and pip could not install it` };
  }
  return { python: `${venv}/bin/python` };
}

const succeeds = (command: string, args: string[]): Promise<boolean> =>
  run(command, args, { timeout: installTimeoutMs }).then(
    () => true,
    () => false,
  );
