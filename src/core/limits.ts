import { z } from 'zod';

/** The shape of `config/limits.json`: what each tenant may do. */

const tenantLimitsSchema = z.strictObject({
  submitsPerSecond: z
    .number()
    .positive()
    .describe('Submits a second and api process, per tenant; a burst of as many is allowed'),
  s3AllowList: z
    .array(
      z
        .string()
        .regex(/^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\/(.*\/)?$/, 'an s3://bucket/prefix/ that ends with a slash'),
    )
    .describe("Prefixes outside the tenant's own that its requests may name"),
  sockets: z
    .int()
    .min(0)
    .optional()
    .describe('Live connections (WebSocket and SSE) at a time, per tenant and api process'),
  subscriptionsPerSocket: z.int().min(1).optional().describe('Jobs that one connection may follow at a time'),
  framesPerSecond: z
    .number()
    .positive()
    .optional()
    .describe('Frames that one connection may send a second; a burst of ten seconds is allowed'),
});
type Given = z.infer<typeof tenantLimitsSchema>;
export type TenantLimits = { [Name in keyof Given]-?: NonNullable<Given[Name]> };

/** Where the file does not say. */
const usual = { sockets: 1_000, subscriptionsPerSocket: 1_000, framesPerSecond: 50 };

export const limitsFileSchema = z.strictObject({
  $schema: z.string().optional(),
  default: tenantLimitsSchema,
  tenants: z.record(z.string().min(1), tenantLimitsSchema.partial()).default({}),
});
export type Limits = z.infer<typeof limitsFileSchema>;

/** The limits of one tenant: its own where given, else the default. */
export function limitsOf(limits: Limits, tenant: string): TenantLimits {
  const own = Object.hasOwn(limits.tenants, tenant) ? limits.tenants[tenant] : undefined;
  return {
    submitsPerSecond: own?.submitsPerSecond ?? limits.default.submitsPerSecond,
    s3AllowList: own?.s3AllowList ?? limits.default.s3AllowList,
    sockets: own?.sockets ?? limits.default.sockets ?? usual.sockets,
    subscriptionsPerSocket:
      own?.subscriptionsPerSocket ?? limits.default.subscriptionsPerSocket ?? usual.subscriptionsPerSocket,
    framesPerSecond: own?.framesPerSecond ?? limits.default.framesPerSecond ?? usual.framesPerSecond,
  };
}
