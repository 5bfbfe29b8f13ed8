import { z } from 'zod';

/**
 * Whose child the handling of a message is, in W3C Trace Context's own words (https://www.w3.org/TR/trace-context/): where
 * SQS is direct it travels as attributes of the message, elsewhere as a field of its body. A wrong one is as good as none.
 */
export const traceCarrierSchema = z
  .object({ traceparent: z.string().max(64), tracestate: z.string().min(1).max(512).optional() })
  .optional()
  .catch(undefined);
export type TraceCarrier = NonNullable<z.infer<typeof traceCarrierSchema>>;
