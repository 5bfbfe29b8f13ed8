import {
  SendTaskFailureCommand,
  SendTaskHeartbeatCommand,
  SendTaskSuccessCommand,
  type SFNClient,
} from '@aws-sdk/client-sfn';
import { AwsError, awsCall } from './aws-error.ts';

/**
 * Tasks of Step Functions that wait for an answer (`.waitForTaskToken`). `gone`: nobody waits any more, because the task timed out,
 * was answered, or its execution ended; nothing is left to do then. All methods throw AwsError.
 * https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token
 */
export interface TaskTokens {
  /** `output`: JSON text, up to 256 KB. */
  succeed(taskToken: string, output: string): Promise<Answered>;
  fail(taskToken: string, code: string, cause: string): Promise<Answered>;
  heartbeat(taskToken: string): Promise<Answered>;
}
export type Answered = 'told' | 'gone';

/** What Step Functions takes for `output`, in bytes of UTF-8. */
export const mostTaskOutputBytes = 262_144;
const mostErrorLength = 256;
const mostCauseLength = 32_768;

/** A token that is no token counts as gone too: no repeat makes it one. */
const nobodyWaits = new Set(['TaskTimedOut', 'TaskDoesNotExist', 'InvalidToken']);

export function createTaskTokens(client: SFNClient): TaskTokens {
  return {
    succeed: (taskToken, output) =>
      answered('StepFunctions SendTaskSuccess', () => client.send(new SendTaskSuccessCommand({ taskToken, output }))),
    fail(taskToken, code, cause) {
      const request = { taskToken, error: code.slice(0, mostErrorLength), cause: cause.slice(0, mostCauseLength) };
      return answered('StepFunctions SendTaskFailure', () => client.send(new SendTaskFailureCommand(request)));
    },
    heartbeat: (taskToken) =>
      answered('StepFunctions SendTaskHeartbeat', () => client.send(new SendTaskHeartbeatCommand({ taskToken }))),
  };
}

async function answered(what: string, send: () => Promise<unknown>): Promise<Answered> {
  try {
    await awsCall(what, send);
    return 'told';
  } catch (error) {
    if (error instanceof AwsError && error.cause instanceof Error && nobodyWaits.has(error.cause.name)) return 'gone';
    throw error;
  }
}
