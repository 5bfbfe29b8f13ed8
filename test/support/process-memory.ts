import { readFile } from 'node:fs/promises';

/** Bytes of a process: what it holds now, and the most it ever held. */
export type ProcessMemory = { now: number; peak: number };

/** Reads `/proc` (Linux only). */
export async function processMemory(pid: number): Promise<ProcessMemory> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kilobytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
  return { now: kilobytes('VmRSS') * 1024, peak: kilobytes('VmHWM') * 1024 };
}

export const megabytes = (bytes: number): number => Math.round(bytes / 1024 / 1024);
