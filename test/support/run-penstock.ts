import { spawn } from 'node:child_process';
import { repository } from '../../local/child.ts';

export interface PenstockRun {
  stdout(): string;
  stderr(): string;
  signal(signal: NodeJS.Signals): void;
  /** With all it wrote; never rejects. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>;
}

/** `penstock <args>` as a process of its own, with none of the developer's own variables. */
export function runPenstock(args: readonly string[], env: NodeJS.ProcessEnv = {}, stdin = ''): PenstockRun {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, ['src/main.ts', ...args], {
    cwd: repository,
    env: { ...(PATH && { PATH }), ...(HOME && { HOME }), NO_COLOR: '1', ...env },
  });
  child.stdin.on('error', () => undefined).end(stdin);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    stdout += piece;
  });
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    stderr += piece;
  });
  const ended = new Promise<Awaited<PenstockRun['ended']>>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { stdout: () => stdout, stderr: () => stderr, signal: (signal) => void child.kill(signal), ended };
}
