/** Why an input cannot be sent to a model: it fails its job or its record, and no call is made. */
export class InputRefused extends Error {
  override name = 'InputRefused';
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}
