/**
 * The Bedrock emulator as a process of its own: `node local/bedrock/main.ts`.
 *
 * | variable | meaning | default |
 * | --- | --- | --- |
 * | `EMULATOR_PORT` | port for h2c and HTTP/1.1; 0 takes a free one | 4568 |
 * | `EMULATOR_HOST` | address to listen on | 127.0.0.1 |
 * | `EMULATOR_SEED` | what replies, latencies and window phases are drawn from | penstock |
 * | `EMULATOR_LATENCY` | `0`: no latency; `1`: each model's own profile | 1 |
 * | `EMULATOR_ASYNC_MS` | how long an asynchronous invocation takes | 3000, without latency 0 |
 * | `EMULATOR_UPSTREAM_URL` | base of an OpenAI-compatible server that answers Converse and ConverseStream | none |
 * | `EMULATOR_UPSTREAM_MODEL` | model name for it | the Bedrock id |
 * | `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` | S3 for the output of asynchronous invocations | none: they fail |
 * | `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` | for that S3 | us-east-1, local, local |
 */
import { startEmulator } from './emulator.ts';
import { readEmulatorEnv } from './emulator-env.ts';

function readOptions() {
  try {
    return readEmulatorEnv(process.env);
  } catch (error) {
    return fail(`bedrock emulator: ${(error as Error).message}`);
  }
}

function fail(line: string): never {
  console.error(line);
  process.exit(1);
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): string {
  if (error.code === 'EADDRINUSE') return `port ${port} on ${host} is in use: set EMULATOR_PORT to another one`;
  return `cannot listen on ${host}:${port}: ${error.message} (EMULATOR_HOST, EMULATOR_PORT)`;
}

const options = readOptions();
const emulator = await startEmulator(options).catch((error) =>
  fail(`bedrock emulator: ${explain(error, options.host, options.port)}`),
);
console.log(`bedrock emulator listens on http://${options.host}:${emulator.port}`);

const stop = async () => {
  await emulator.stop();
  process.exit(0);
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
