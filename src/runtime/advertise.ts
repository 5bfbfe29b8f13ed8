import { networkInterfaces } from 'node:os';
import { z } from 'zod';
import type { Config } from './config.ts';

/** What of the ECS task metadata is read. Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-response.html */
const containerSchema = z.object({ Networks: z.array(z.object({ IPv4Addresses: z.array(z.string()).min(1) })).min(1) });
const metadataTimeoutMs = 2_000;

/**
 * The host under which other processes of the fleet reach this one: PENSTOCK_ADVERTISE, else the task's address from the
 * ECS metadata, else the first address of the host that is not loopback.
 */
export async function advertisedHost(config: Pick<Config, 'fleet'>): Promise<string> {
  const { advertise, metadataUrl } = config.fleet;
  return (
    advertise ?? (metadataUrl === undefined ? undefined : await fromEcs(metadataUrl)) ?? fromInterfaces() ?? '127.0.0.1'
  );
}

/** Undefined if the metadata cannot be read: the host's own address then has to do. */
async function fromEcs(metadataUrl: string): Promise<string | undefined> {
  try {
    const answer = await fetch(metadataUrl, { signal: AbortSignal.timeout(metadataTimeoutMs) });
    return containerSchema.safeParse(await answer.json()).data?.Networks[0]?.IPv4Addresses[0];
  } catch {
    return undefined;
  }
}

function fromInterfaces(): string | undefined {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find((address) => address.family === 'IPv4' && !address.internal)?.address;
}
