import { gatewayAddress } from '../../aws/gateway-connections.ts';
import { isFinal } from '../../core/job.ts';
import { stateFrame } from '../../state/announce-job.ts';
import { askHolder } from '../../state/ask-holder.ts';
import { readBatch } from '../../state/read-batch.ts';
import { readParts } from '../../state/read-job.ts';
import type { StateDeps } from '../../state/state-deps.ts';
import { watchJob } from '../../state/watch-job.ts';
import { type BatchFollower, batchFrame } from './batch-hub.ts';
import type { Follower } from './socket-session.ts';

/**
 * Follows jobs for one connection of API Gateway: the connection itself is the watcher, and what there is to tell goes to
 * it directly. Nobody re-reads for it: a client that hears nothing for long subscribes again, or reads the job.
 */
export function gatewayFollower(state: StateDeps, connectionId: string): Follower {
  const address = gatewayAddress(connectionId);
  return {
    address,
    expect: () => () => undefined,
    async subscribe(tenant, jobId, subscriber, { after, known } = {}) {
      const job = known ?? (await watchJob(state, tenant, jobId, address));
      if (job === undefined) return undefined;
      const frame = stateFrame(job, isFinal(job.status) ? await readParts(state, job) : {});
      if (frame.seq > (after ?? -1)) subscriber.send(frame);
      if (known === undefined) await askHolder(state, job, address);
      return () => undefined;
    },
  };
}

/**
 * Tells a connection of API Gateway of a batch as it is, once: nobody looks at it for the connection afterwards. A client
 * that wants to know more subscribes again.
 */
export function gatewayBatchFollower(state: StateDeps): BatchFollower {
  return {
    async subscribe(tenant, batchId, subscriber, after) {
      const read = await readBatch(state, tenant, batchId);
      if (read === undefined) return undefined;
      const frame = batchFrame(read, state.now());
      if (frame.seq > (after ?? -1)) subscriber.send(frame);
      return () => undefined;
    },
  };
}
