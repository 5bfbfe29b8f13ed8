import { deadLetterQueueName, laneQueueName } from '../aws/resource-names.ts';
import { isFinal, priorities } from '../core/job.ts';
import type { Lane } from '../core/lanes.ts';
import { readPointer } from '../core/pointer-message.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Stop } from '../runtime/process-deps.ts';
import { enqueueJob } from '../state/enqueue-job.ts';
import { readJob } from '../state/read-job.ts';
import type { StateDeps } from '../state/state-deps.ts';

/**
 * The dead-letter queues are read slowly. SQS moves a message there for its receive count alone, so most of what lies
 * there is no failure: a final job's message is deleted, a live job's is sent again. What nobody can read stays for a
 * person, until the queue lets it go after 14 days.
 */

/** One dead-letter queue every so often, each in its turn. */
const everyMs = 20_000;
const hideSeconds = 60;
/** A message that cannot be read is looked at once an hour. */
const unreadableSeconds = 3600;

/** Starts the slow reader. The stop waits for a look under way. */
export function readDeadLetters(deps: { state: StateDeps; logger: Logger; lanes: readonly Lane[] }): Stop {
  const { state, logger, lanes } = deps;
  const queues = lanes.flatMap((lane) =>
    priorities.map((priority) => deadLetterQueueName(laneQueueName(state.prefix, lane.name, priority))),
  );
  // Several workers must not all look at the same queue at the same time.
  let next = Math.floor(state.random() * queues.length);
  let looking: Promise<void> | undefined;
  const timer = setInterval(() => {
    looking ??= lookAt(state, logger, queues[next++ % queues.length] as string)
      .catch((error: unknown) => logger.warn({ err: error }, 'could not read a dead-letter queue'))
      .finally(() => {
        looking = undefined;
      });
  }, everyMs);
  return async () => {
    clearInterval(timer);
    await looking;
  };
}

/** One look at one dead-letter queue: up to ten messages. Safe to run twice. Throws AwsError. */
export async function lookAt(state: StateDeps, logger: Logger, queue: string): Promise<void> {
  const messages = await state.queues.receiveNow(queue, 10, hideSeconds);
  await Promise.all(
    messages.map(async ({ body, receiptHandle }) => {
      const read = readPointer(body);
      if (read.kind !== 'pointer') {
        logger.error({ queue, kind: read.kind }, 'an unreadable message in a dead-letter queue');
        return await state.queues.hide(queue, receiptHandle, unreadableSeconds);
      }
      const job = await readJob(state, read.pointer.jobId);
      if (job !== undefined && !isFinal(job.status) && job.generation === read.pointer.generation) {
        await enqueueJob(state, job);
        logger.warn({ queue, jobId: job.pk }, 'sent a message of a live job again');
      }
      await state.queues.delete(queue, receiptHandle);
    }),
  );
}
