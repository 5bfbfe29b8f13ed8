import { expect, it } from 'vitest';
import { readEmulatorEnv } from './emulator-env.ts';

it('has a default for everything; an empty variable is one that is not set', () => {
  expect(readEmulatorEnv({ EMULATOR_SEED: '' })).toMatchObject({ port: 4568, host: '127.0.0.1', latencyOff: false });
  expect(readEmulatorEnv({}).s3Endpoint).toBeUndefined();
});

it('prefers the variable of S3 to that of all services', () => {
  const env = { AWS_ENDPOINT_URL: 'http://all:1', AWS_ENDPOINT_URL_S3: 'http://s3:2', EMULATOR_LATENCY: '0' };
  expect(readEmulatorEnv(env)).toMatchObject({ s3Endpoint: 'http://s3:2', latencyOff: true });
});

it('names every variable that is wrong, in one line', () => {
  const env = { EMULATOR_PORT: '99999', EMULATOR_LATENCY: 'no', EMULATOR_UPSTREAM_URL: 'here' };
  expect(() => readEmulatorEnv(env)).toThrow(/^EMULATOR_PORT: .*; EMULATOR_LATENCY: .*; EMULATOR_UPSTREAM_URL: .*$/);
});
