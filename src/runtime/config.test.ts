import { describe, expect, test } from 'vitest';
import { ConfigError, configTable, readConfig } from './config.ts';

/** The message of a configuration that is refused. */
function refusal(env: NodeJS.ProcessEnv): string {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('it was accepted');
}

test('an empty environment gives the defaults, with times in milliseconds', () => {
  expect(readConfig({})).toMatchObject({
    localMode: false,
    api: { host: '0.0.0.0', port: 8080, corsOrigins: [], trustProxy: false },
    ops: { host: '0.0.0.0', port: 9464 },
    configDir: 'config',
    prefix: '',
    bucket: 'penstock',
    publicS3Url: undefined,
    logLevel: 'info',
    lanes: [],
    retentionMs: 30 * 24 * 3600 * 1000,
    times: {
      leaseMs: 20_000,
      renewEveryMs: 5_000,
      visibilityMs: 30_000,
      extendEveryMs: 10_000,
      drainMs: 25_000,
      stopTimeoutMs: 30_000,
    },
  });
});

test('an empty variable means the default: compose files pass unset ones on so', () => {
  const empty = { PENSTOCK_PORT: '', PENSTOCK_LOCAL: '', PENSTOCK_PUBLIC_S3_URL: '', PENSTOCK_LEASE_SECONDS: '' };
  expect(readConfig(empty)).toEqual(readConfig({}));
});

test('what is given is read in its own form', () => {
  expect(
    readConfig({
      PENSTOCK_LOCAL: '1',
      PENSTOCK_TRUST_PROXY: 'true',
      PENSTOCK_PORT: '0',
      PENSTOCK_LANES: ' nova-lite, ,claude-sonnet ',
      PENSTOCK_CORS_ORIGINS: 'https://a.example,https://b.example',
      PENSTOCK_PUBLIC_S3_URL: 'http://localhost:4566',
      PENSTOCK_RETENTION_DAYS: '1',
      PENSTOCK_PREFIX: 'staging-',
    }),
  ).toMatchObject({
    localMode: true,
    api: { port: 0, trustProxy: true, corsOrigins: ['https://a.example', 'https://b.example'] },
    lanes: ['nova-lite', 'claude-sonnet'],
    publicS3Url: 'http://localhost:4566',
    retentionMs: 24 * 3600 * 1000,
    prefix: 'staging-',
  });
});

const collector = 'http://127.0.0.1:4318';
test.each([
  [{}, false],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: '' }, false],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: collector }, true],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector }, true],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: collector, OTEL_TRACES_EXPORTER: 'none' }, false],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: collector, OTEL_SDK_DISABLED: 'true' }, false],
])('with %o traces are on: %s', (env, traces) => {
  expect(readConfig(env).traces).toBe(traces);
});

describe('a wrong variable is named', () => {
  test.each([
    ['PENSTOCK_PORT', '65536'],
    ['PENSTOCK_PORT', 'http'],
    ['PENSTOCK_OPS_PORT', '-1'],
    ['PENSTOCK_LOCAL', 'perhaps'],
    ['PENSTOCK_LOG_LEVEL', 'loud'],
    ['PENSTOCK_BUCKET', 'ab'],
    ['PENSTOCK_PUBLIC_S3_URL', 'not a url'],
    ['PENSTOCK_RETENTION_DAYS', '0'],
    ['PENSTOCK_RETENTION_DAYS', '366'],
    ['PENSTOCK_LEASE_SECONDS', 'soon'],
    ['PENSTOCK_LEASE_SECONDS', '20.5'],
  ])('%s=%s', (name, value) => {
    expect(refusal({ [name]: value })).toMatch(new RegExp(`^${name}: .+$`));
  });

  test('word for word where the words are ours', () => {
    expect(refusal({ PENSTOCK_PREFIX: 'a.b' })).toBe('PENSTOCK_PREFIX: up to 30 letters, digits, - and _');
  });

  test('all of them, a line each', () => {
    const lines = refusal({ PENSTOCK_PORT: 'x', PENSTOCK_BUCKET: '', PENSTOCK_RETENTION_DAYS: '0' }).split('\n');
    expect(lines.map((line) => line.split(':')[0])).toEqual(['PENSTOCK_PORT', 'PENSTOCK_RETENTION_DAYS']);
  });
});

describe('times that do not go together are refused', () => {
  test.each([
    [
      'a lease that does not survive two lost renewals',
      { PENSTOCK_LEASE_SECONDS: '15', PENSTOCK_LEASE_RENEW_SECONDS: '5' },
      'PENSTOCK_LEASE_RENEW_SECONDS: three renewals must fit into PENSTOCK_LEASE_SECONDS',
    ],
    [
      'a message that comes back before the lease of its dead worker is over',
      { PENSTOCK_LEASE_SECONDS: '25' },
      'PENSTOCK_VISIBILITY_SECONDS: must be more than PENSTOCK_LEASE_SECONDS and 5 s of clock skew',
    ],
    [
      'a visibility that one lost extension ends',
      { PENSTOCK_VISIBILITY_EXTEND_SECONDS: '15' },
      'PENSTOCK_VISIBILITY_EXTEND_SECONDS: two extensions must fit into PENSTOCK_VISIBILITY_SECONDS',
    ],
    [
      'a drain that the platform cuts off',
      { PENSTOCK_DRAIN_SECONDS: '28' },
      'PENSTOCK_DRAIN_SECONDS: must end 2 s before PENSTOCK_STOP_TIMEOUT_SECONDS',
    ],
  ])('%s', (_what, env, message) => {
    expect(refusal(env)).toBe(message);
  });

  test('one step inside each limit they are accepted', () => {
    const env = {
      PENSTOCK_LEASE_SECONDS: '24',
      PENSTOCK_LEASE_RENEW_SECONDS: '7',
      PENSTOCK_VISIBILITY_EXTEND_SECONDS: '14',
      PENSTOCK_DRAIN_SECONDS: '27',
    };
    expect(readConfig(env).times).toMatchObject({ leaseMs: 24_000, renewEveryMs: 7_000 });
  });

  test('several at once, a line each', () => {
    const env = { PENSTOCK_LEASE_SECONDS: '26', PENSTOCK_LEASE_RENEW_SECONDS: '10', PENSTOCK_DRAIN_SECONDS: '30' };
    expect(refusal(env).split('\n')).toHaveLength(3);
  });
});

test('the table names every variable with its default', () => {
  const rows = configTable().split('\n');
  expect(rows.slice(0, 2)).toEqual(['| variable | default | what it is |', '| --- | --- | --- |']);
  expect(rows).toContain('| `PENSTOCK_PORT` | `8080` | Port of the api |');
  expect(rows).toContain(
    '| `PENSTOCK_LANES` |  | Lanes that this worker serves, separated by commas; all by default |',
  );
  for (const row of rows.slice(2)) expect(row).toMatch(/^\| `[A-Z0-9_]+` \| (`[^`]*`)? \| .{5,} \|$/);
});
