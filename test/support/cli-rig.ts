import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type BatchApiStub, startBatchApiStub } from './batch-api-stub.ts';
import { type PenstockRun, runPenstock } from './run-penstock.ts';

/** The commands for people, as processes, against a server of their routes. */
export interface CliRig {
  api: BatchApiStub;
  /** Where files of the test lie; gone at its end. */
  folder: string;
  penstock(...args: string[]): PenstockRun;
  /** Writes a file below the folder, and gives its path. */
  file(name: string, text: string): Promise<string>;
  stop(): Promise<void>;
}

export async function startCliRig(): Promise<CliRig> {
  const api = await startBatchApiStub();
  const folder = await mkdtemp(join(tmpdir(), 'penstock-cli-'));
  return {
    api,
    folder,
    penstock: (...args) => runPenstock(args, { PENSTOCK_URL: api.url }),
    async file(name, text) {
      const path = join(folder, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
      return path;
    },
    async stop() {
      await api.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
