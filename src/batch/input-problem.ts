import { AwsError } from '../aws/aws-error.ts';
import type { BatchError } from '../core/batch.ts';

/** Why the input of a batch cannot be taken: the batch fails with this, and no repeat changes it. */
export class InputProblem extends Error {
  override name = 'InputProblem';
  readonly error: BatchError;

  constructor(code: string, message: string) {
    super(message);
    this.error = { code, message };
  }
}

const codes: Partial<Record<AwsError['code'], [code: string, message: string]>> = {
  not_found: ['input_missing', 'does not exist'],
  changed: ['input_changed', 'was changed after the batch began'],
  refused: ['input_denied', 'may not be read by this service'],
};

/** Runs one read of the input; what AWS says of the object comes out as InputProblem, everything else as it is. */
export async function readingInput<T>(name: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const known = error instanceof AwsError ? codes[error.code] : undefined;
    if (known === undefined) throw error;
    throw new InputProblem(known[0], `${name} ${known[1]}`);
  }
}
