import { z } from 'zod';

/**
 * Everything that the environment decides, in one schema: the only reader of process.env, and the source of the
 * README's table. Endpoints, region and credentials are the AWS SDK's own variables and are read by the SDK.
 */

const flag = z.stringbool({ truthy: ['true', '1'], falsy: ['false', '0', ''] });
const port = z.coerce.number().int().min(0).max(65535);
const seconds = (smallest: number, largest: number) => z.coerce.number().int().min(smallest).max(largest);
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

const environment = z.object({
  PENSTOCK_LOCAL: flag.default(false).describe('Local mode: the two ready keys work. Never set it in an account'),
  PENSTOCK_HOST: z.string().default('0.0.0.0').describe('Address that the api listens on'),
  PENSTOCK_PORT: port.default(8080).describe('Port of the api'),
  PENSTOCK_OPS_HOST: z.string().default('0.0.0.0').describe('Address of `/live`, `/ready` and `/metrics`'),
  PENSTOCK_OPS_PORT: port.default(9464).describe('Port of `/live`, `/ready` and `/metrics`'),
  PENSTOCK_CONFIG_DIR: z
    .string()
    .default('config')
    .describe('Folder of `lanes.json`, `limits.json`, `fanout-rules.json` and `pipelines/`'),
  PENSTOCK_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_-]{0,30}$/, 'up to 30 letters, digits, - and _')
    .default('')
    .describe('Put before the name of each queue, table and topic; set one in a shared account'),
  PENSTOCK_BUCKET: z
    .string()
    .min(3)
    .max(63)
    .default('penstock')
    .describe('The S3 bucket; its name must be yours alone'),
  PENSTOCK_PUBLIC_S3_URL: z
    .url()
    .optional()
    .describe('Endpoint that presigned URLs are signed for, where clients reach S3 under another address'),
  PENSTOCK_LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Least level that is logged'),
  PENSTOCK_CORS_ORIGINS: list
    .default([])
    .describe('Origins that browsers may call from, separated by commas; none by default'),
  PENSTOCK_TRUST_PROXY: flag
    .default(false)
    .describe('Take the client address from `X-Forwarded-For`; set it behind a load balancer'),
  PENSTOCK_FLEET_SECRET: list
    .default([])
    .describe(
      'Secret that the processes of one fleet sign their messages with, 32 characters or more; two, separated by a comma, while it is rotated. The first signs',
    ),
  PENSTOCK_ADVERTISE: z
    .string()
    .optional()
    .describe(
      'Address under which other processes reach this one; by default from the ECS metadata, else the first address of the host',
    ),
  CONNECTIONS_ENDPOINT: z
    .url()
    .optional()
    .describe("Endpoint of an API Gateway WebSocket API's management API, where clients come through one"),
  PENSTOCK_GATEWAY_SECRET: z
    .string()
    .optional()
    .describe(
      'Secret that the integrations of that WebSocket API send as `x-penstock-gateway-secret`, 32 characters or more',
    ),
  FANOUT_BUS: z
    .enum(['sns', 'eventbridge'])
    .default('sns')
    .describe('What leads the branches of fan-outs to their lanes: filter policies of SNS, or rules of EventBridge'),
  PENSTOCK_LANES: list.default([]).describe('Lanes that this worker serves, separated by commas; all by default'),
  PENSTOCK_RETENTION_DAYS: seconds(1, 365).default(30).describe('Days that a final job is kept'),
  PENSTOCK_LEASE_SECONDS: seconds(2, 300)
    .default(20)
    .describe("How long a worker's jobs stay its own after its last sign of life"),
  PENSTOCK_LEASE_RENEW_SECONDS: seconds(1, 60).default(5).describe('How often a worker renews its lease'),
  PENSTOCK_VISIBILITY_SECONDS: seconds(5, 600)
    .default(30)
    .describe('How long a received message stays hidden from other workers'),
  PENSTOCK_VISIBILITY_EXTEND_SECONDS: seconds(1, 300)
    .default(10)
    .describe('How often a worker extends that for messages it still holds'),
  PENSTOCK_CHUNK_TURN_SECONDS: seconds(1, 3600)
    .default(900)
    .describe('How long a worker keeps a chunk of a batch before it lets others have a turn'),
  PENSTOCK_CHECKPOINT_SECONDS: seconds(1, 600)
    .default(30)
    .describe('How often what a chunk has so far is stored, at least: what is newer is asked again after a crash'),
  PENSTOCK_CHECKPOINT_RECORDS: z.coerce
    .number()
    .int()
    .min(1)
    .max(1000)
    .default(200)
    .describe('Records of a chunk after which that is done, at most'),
  PENSTOCK_DRAIN_SECONDS: seconds(0, 110)
    .default(25)
    .describe('After SIGTERM: time for running calls to end before they are handed back'),
  PENSTOCK_LINGER_SECONDS: seconds(0, 60)
    .default(10)
    .describe('After SIGTERM: time that the api goes on serving, not ready, until load balancers have noticed'),
  PENSTOCK_STOP_TIMEOUT_SECONDS: seconds(2, 120)
    .default(30)
    .describe("The platform's own patience after SIGTERM (ECS `stopTimeout`, at most 120)"),
});

export type Environment = z.infer<typeof environment>;

/** Configuration of one process. Times are in milliseconds from here on. */
export interface Config {
  localMode: boolean;
  api: { host: string; port: number; corsOrigins: string[]; trustProxy: boolean };
  ops: { host: string; port: number };
  configDir: string;
  prefix: string;
  bucket: string;
  publicS3Url: string | undefined;
  logLevel: Environment['PENSTOCK_LOG_LEVEL'];
  fleet: {
    secrets: string[];
    advertise: string | undefined;
    metadataUrl: string | undefined;
    gatewayEndpoint: string | undefined;
    gatewaySecret: string | undefined;
  };
  lanes: string[];
  fanoutBus: 'sns' | 'eventbridge';
  retentionMs: number;
  times: WorkerTimes;
  chunks: ChunkLimits;
  /** Whether spans go anywhere. Where to, and all else of traces, are OpenTelemetry's own variables, read by its SDK. */
  traces: boolean;
}

/** How long a worker keeps a chunk, and how often it stores what it has of it. */
export interface ChunkLimits {
  turnMs: number;
  checkpointMs: number;
  checkpointRecords: number;
}

export interface WorkerTimes {
  leaseMs: number;
  renewEveryMs: number;
  visibilityMs: number;
  extendEveryMs: number;
  drainMs: number;
  /** Of the api: how long it serves on after it turned not ready. */
  lingerMs: number;
  stopTimeoutMs: number;
}

/** Clock skew between hosts that a lease allows for. NTP in AWS keeps it far below; 5 s also covers a slow start. */
export const clockSkewMs = 5_000;
/** After the drain: time to hand back what is left and to say goodbye. */
export const handBackMs = 2_000;

/** A configuration that cannot be used. The message names each variable and what is wrong with it, a line each. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/**
 * Reads and checks the environment.
 * @throws ConfigError naming every wrong variable
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const parsed = environment.safeParse(withoutEmpty(env));
  if (!parsed.success)
    throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'));
  const e = parsed.data;
  const times: WorkerTimes = {
    leaseMs: e.PENSTOCK_LEASE_SECONDS * 1000,
    renewEveryMs: e.PENSTOCK_LEASE_RENEW_SECONDS * 1000,
    visibilityMs: e.PENSTOCK_VISIBILITY_SECONDS * 1000,
    extendEveryMs: e.PENSTOCK_VISIBILITY_EXTEND_SECONDS * 1000,
    drainMs: e.PENSTOCK_DRAIN_SECONDS * 1000,
    lingerMs: e.PENSTOCK_LINGER_SECONDS * 1000,
    stopTimeoutMs: e.PENSTOCK_STOP_TIMEOUT_SECONDS * 1000,
  };
  checkTimes(times);
  return {
    localMode: e.PENSTOCK_LOCAL,
    api: {
      host: e.PENSTOCK_HOST,
      port: e.PENSTOCK_PORT,
      corsOrigins: e.PENSTOCK_CORS_ORIGINS,
      trustProxy: e.PENSTOCK_TRUST_PROXY,
    },
    ops: { host: e.PENSTOCK_OPS_HOST, port: e.PENSTOCK_OPS_PORT },
    configDir: e.PENSTOCK_CONFIG_DIR,
    prefix: e.PENSTOCK_PREFIX,
    bucket: e.PENSTOCK_BUCKET,
    publicS3Url: e.PENSTOCK_PUBLIC_S3_URL,
    logLevel: e.PENSTOCK_LOG_LEVEL,
    fleet: {
      secrets: e.PENSTOCK_FLEET_SECRET,
      advertise: e.PENSTOCK_ADVERTISE,
      // Set by ECS itself, in every container.
      metadataUrl: env.ECS_CONTAINER_METADATA_URI_V4,
      gatewayEndpoint: e.CONNECTIONS_ENDPOINT,
      gatewaySecret: e.PENSTOCK_GATEWAY_SECRET,
    },
    lanes: e.PENSTOCK_LANES,
    fanoutBus: e.FANOUT_BUS,
    retentionMs: e.PENSTOCK_RETENTION_DAYS * 24 * 3600 * 1000,
    times,
    chunks: {
      turnMs: e.PENSTOCK_CHUNK_TURN_SECONDS * 1000,
      checkpointMs: e.PENSTOCK_CHECKPOINT_SECONDS * 1000,
      checkpointRecords: e.PENSTOCK_CHECKPOINT_RECORDS,
    },
    traces: wantsTraces(withoutEmpty(env)),
  };
}

/** Shorter secrets can be guessed off line from one signed message. */
const shortestSecret = 32;

/**
 * The fleet's secrets, for the modes that talk to others.
 * @throws ConfigError if there is none, or one is too short
 */
export function fleetSecrets(config: Pick<Config, 'fleet'>): string[] {
  const { secrets } = config.fleet;
  if (secrets.length === 0 || secrets.some((secret) => secret.length < shortestSecret))
    throw new ConfigError(
      `PENSTOCK_FLEET_SECRET: needed, with ${shortestSecret} characters or more; the same for all processes of the fleet`,
    );
  return secrets;
}

/** Only with somewhere to send them: the SDK's own default would be a collector on this host. */
function wantsTraces(env: NodeJS.ProcessEnv): boolean {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || env.OTEL_TRACES_EXPORTER === 'none') return false;
  return env.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT !== undefined;
}

/** A compose file passes unset variables on as empty strings: they mean the default. */
function withoutEmpty(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
}

/**
 * Times that only make sense together. A lease must survive two lost renewals; a dead worker's lease must be over
 * before SQS can have hidden its message for longest, so that whoever gets the message waits at most once.
 */
function checkTimes(times: WorkerTimes): void {
  const wrong: string[] = [];
  if (3 * times.renewEveryMs >= times.leaseMs)
    wrong.push('PENSTOCK_LEASE_RENEW_SECONDS: three renewals must fit into PENSTOCK_LEASE_SECONDS');
  if (times.leaseMs + clockSkewMs >= times.visibilityMs)
    wrong.push('PENSTOCK_VISIBILITY_SECONDS: must be more than PENSTOCK_LEASE_SECONDS and 5 s of clock skew');
  if (2 * times.extendEveryMs >= times.visibilityMs)
    wrong.push('PENSTOCK_VISIBILITY_EXTEND_SECONDS: two extensions must fit into PENSTOCK_VISIBILITY_SECONDS');
  if (times.drainMs + handBackMs >= times.stopTimeoutMs)
    wrong.push('PENSTOCK_DRAIN_SECONDS: must end 2 s before PENSTOCK_STOP_TIMEOUT_SECONDS');
  if (times.lingerMs + handBackMs >= times.stopTimeoutMs)
    wrong.push('PENSTOCK_LINGER_SECONDS: must end 2 s before PENSTOCK_STOP_TIMEOUT_SECONDS');
  if (wrong.length > 0) throw new ConfigError(wrong.join('\n'));
}

/** The rows of the README's table of variables: name, default, what it is. */
export function configTable(): string {
  const rows = Object.entries(environment.shape).map(([name, schema]) => {
    const text = (schema as z.ZodType).description ?? '';
    return `| \`${name}\` | ${defaultOf(schema as z.ZodType)} | ${text} |`;
  });
  return ['| variable | default | what it is |', '| --- | --- | --- |', ...rows].join('\n');
}

function defaultOf(schema: z.ZodType): string {
  const parsed = schema.safeParse(undefined);
  const value = parsed.success ? parsed.data : undefined;
  if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0)) return '';
  return `\`${String(value)}\``;
}
