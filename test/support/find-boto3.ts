import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Kept from one run to the next; `.local/` is not in git. */
const VENV = '.local/boto3-venv';
const INSTALL_TIMEOUT_MS = 180_000;

export type Boto3 = { python: string } | { missing: string };

/**
 * A Python that has boto3: the machine's own, or one in a virtual environment that is made where Python and a package
 * index are at hand. Otherwise says in one sentence what is missing; never rejects.
 */
export async function findBoto3(): Promise<Boto3> {
  for (const python of ['python3', `${VENV}/bin/python`]) {
    if (await succeeds(python, ['-c', 'import boto3'])) return { python };
  }
  if (!(await succeeds('python3', ['--version']))) return { missing: 'there is no python3 on the path' };
  if (!(await succeeds('python3', ['-m', 'venv', VENV]))) {
    return { missing: 'python3 has no boto3, and cannot make a virtual environment (python3-venv) to put it in' };
  }
  if (!(await succeeds(`${VENV}/bin/python`, ['-m', 'pip', 'install', '--quiet', 'boto3>=1.40']))) {
    return { missing: 'python3 has no boto3, and pip could not install it' };
  }
  return { python: `${VENV}/bin/python` };
}

const succeeds = (command: string, args: string[]): Promise<boolean> =>
  run(command, args, { timeout: INSTALL_TIMEOUT_MS }).then(
    () => true,
    () => false,
  );
