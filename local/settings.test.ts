import { expect, test } from 'vitest';
import { LocalStartError, readSettings } from './settings.ts';

test('the ports of the README are the defaults, and an empty variable is none', () => {
  const settings = readSettings({ PENSTOCK_PORT: '', PENSTOCK_LOCAL_DATA: '' });
  expect(settings).toMatchObject({
    PENSTOCK_PORT: 8080,
    PENSTOCK_API_OPS_PORT: 9464,
    PENSTOCK_WORKER_OPS_PORT: 9465,
    PENSTOCK_LOCAL_AWS_PORT: 4566,
    PENSTOCK_LOCAL_DYNAMODB_PORT: 4567,
    EMULATOR_PORT: 4568,
    PENSTOCK_LOCAL_DATA: 'memory',
  });
});

test.each([
  [{ PENSTOCK_PORT: 'web' }, 'PENSTOCK_PORT must be a whole number from 1 to 65535, not "web"'],
  [{ EMULATOR_PORT: '0' }, 'EMULATOR_PORT must be a whole number from 1 to 65535, not "0"'],
  [{ PENSTOCK_LOCAL_AWS_PORT: '65536' }, 'PENSTOCK_LOCAL_AWS_PORT must be a whole number from 1 to 65535, not "65536"'],
  [{ PENSTOCK_WORKER_OPS_PORT: '94.5' }, 'PENSTOCK_WORKER_OPS_PORT must be a whole number from 1 to 65535, not "94.5"'],
  [{ PENSTOCK_LOCAL_DATA: 'tape' }, 'PENSTOCK_LOCAL_DATA must be "memory" or "disk", not "tape"'],
  [{ PENSTOCK_PORT: '4566' }, 'PENSTOCK_PORT and PENSTOCK_LOCAL_AWS_PORT are both 4566'],
])('%o is refused in one line', (env, message) => {
  expect(() => readSettings(env)).toThrow(new LocalStartError(message));
});
