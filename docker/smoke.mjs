#!/usr/bin/env node
/**
 * Asks a running stack, from outside, for one of everything, and says what it saw: `node docker/smoke.mjs`. Exit code 0
 * if all of it was right. Plain JavaScript without dependencies, so that it runs on any Node from 20 on, without `npm ci`.
 *
 * PENSTOCK_URL (http://127.0.0.1:8080), PENSTOCK_KEY (local-demo-key), EMULATOR_URL (http://127.0.0.1:4568).
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const api = process.env.PENSTOCK_URL ?? 'http://127.0.0.1:8080';
const key = process.env.PENSTOCK_KEY ?? 'local-demo-key';
const emulator = process.env.EMULATOR_URL ?? 'http://127.0.0.1:4568';
/** A stack that has just come up on a small machine answers within seconds; this only ends what hangs. */
const patienceMs = 120_000;
const finalStates = ['succeeded', 'failed', 'cancelled', 'expired'];
const model = 'amazon.nova-lite-v1:0';

async function call(method, path, { body, headers, as = key } = {}) {
  const isText = typeof body === 'string';
  const response = await fetch(`${api}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${as}`,
      ...(body === undefined ? {} : { 'content-type': isText ? 'application/jsonl' : 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(patienceMs),
  });
  const text = await response.text();
  const isJson = /json$/.test((response.headers.get('content-type') ?? '').split(';')[0]);
  return { status: response.status, body: isJson ? JSON.parse(text) : text };
}

function expect(condition, message, seen) {
  if (!condition) throw new Error(`${message}: ${JSON.stringify(seen)?.slice(0, 600)}`);
}

async function untilFinal(path) {
  const giveUpAt = Date.now() + patienceMs;
  for (;;) {
    const { status, body } = await call('GET', path);
    expect(status === 200, `GET ${path} answered ${status}`, body);
    if (finalStates.includes(body.status)) return body;
    expect(Date.now() < giveUpAt, `${path} did not end`, body);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

const question = (text) => ({ messages: [{ role: 'user', content: [{ text }] }] });

/** The first curl of the README, as it stands there, by the shell. */
async function readmeCurl() {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const command = /```\n(curl -s http:\/\/127\.0\.0\.1:8080\/v1\/jobs \\\n[\s\S]*?)\n```/.exec(readme)?.[1];
  expect(command !== undefined, 'the README has no curl that submits a job', undefined);
  const there = command.replaceAll('http://127.0.0.1:8080', api).replaceAll('local-demo-key', key);
  const { stdout } = await promisify(execFile)('bash', ['-c', there]);
  const accepted = JSON.parse(stdout);
  expect(accepted.status === 'queued', 'the job was not queued', accepted);
  const job = await untilFinal(accepted.urls.self);
  expect(job.status === 'succeeded', 'the job did not succeed', job);
  return `${job.id} succeeded in ${job.timings.totalMs} ms, ${job.usage.outputTokens} tokens, ${job.costUsd} USD`;
}

async function waiting() {
  const body = { model, input: question('What does a gate valve do?') };
  const answer = await call('POST', '/v1/jobs', { body, headers: { prefer: 'wait=30' } });
  expect(answer.status === 200 && answer.body.status === 'succeeded', 'the call did not wait for its end', answer);
  const other = await call('GET', `/v1/jobs/${answer.body.id}`, { as: 'local-other-key' });
  expect([401, 404].includes(other.status), 'another tenant can see the job', other);
  return `200 after ${answer.body.timings.totalMs} ms; another tenant gets ${other.status}`;
}

/** An answer over 256 KB (here eight long ones, collected) comes as a link, which must work from outside. */
async function link() {
  const path = `${emulator}/_emulator/models/${encodeURIComponent(model)}`;
  const fast = await fetch(path, { method: 'PUT', body: '{"latency": 0}' }).catch(() => undefined);
  if (!fast?.ok) return skip(`no emulator at ${emulator}`);
  try {
    const branches = Array.from({ length: 8 }, (_, index) => ({ name: `part-${index}`, model }));
    const input = { ...question('Tell me all of it. [tokens=10000]'), inferenceConfig: { maxTokens: 10_000 } };
    const accepted = await call('POST', '/v1/fanouts', { body: { input, branches } });
    expect(accepted.status === 202, 'the fan-out was refused', accepted);
    const job = await untilFinal(accepted.body.urls.self);
    expect(job.outputUrl !== undefined, 'there is no link', job);
    const response = await fetch(job.outputUrl);
    const bytes = (await response.arrayBuffer()).byteLength;
    expect(response.status === 200 && bytes > 256 * 1024, 'the link does not work', { url: job.outputUrl, bytes });
    return `${bytes} bytes from ${new URL(job.outputUrl).host}`;
  } finally {
    await fetch(path, { method: 'DELETE' });
  }
}

async function fanout() {
  const body = {
    input: question('Which pump for a flooded cellar?'),
    branches: [
      { name: 'nova', model },
      {
        name: 'careful',
        model,
        input: { ...question('Which pump for a flooded cellar?'), system: [{ text: 'Be careful.' }] },
      },
      { name: 'claude', model: 'us.anthropic.claude-sonnet-4-5-20250929-v1:0' },
    ],
  };
  const accepted = await call('POST', '/v1/fanouts', { body });
  expect(accepted.status === 202, 'the fan-out was refused', accepted);
  const job = await untilFinal(accepted.body.urls.self);
  expect(job.status === 'succeeded', 'the fan-out did not succeed', job);
  const branches = await call('GET', `/v1/jobs?parent=${job.id}`);
  expect(branches.body.items?.length === 3, 'there are not three branches', branches);
  return `${job.id} joined ${branches.body.items.length} branches in ${job.timings.totalMs} ms`;
}

async function batch() {
  const { body: openapi } = await call('GET', '/openapi.json');
  if (openapi.paths?.['/v1/batches'] === undefined) return skip('this api has no /v1/batches');
  const records = Array.from({ length: 20 }, (_, index) =>
    JSON.stringify({ id: `r${index}`, text: `review ${index}` }),
  );
  const file = await call('POST', '/v1/files?name=smoke.jsonl', { body: `${records.join('\n')}\n` });
  expect(file.status === 201 || file.status === 200, 'the file was refused', file);
  const text = "{% 'Sum up: ' & $record.text %}";
  const steps = [{ name: 'sum', type: 'inference', model, input: question(text) }];
  const accepted = await call('POST', '/v1/batches', { body: { input: file.body.id, steps } });
  expect(accepted.status === 202, 'the batch was refused', accepted);
  const ended = await untilFinal(accepted.body.urls.self);
  expect(ended.status === 'succeeded' && ended.counts.succeeded === 20, 'the batch did not succeed', ended);
  const output = await call('GET', `${ended.urls.output}?inline=true`);
  const lines = String(output.body).trim().split('\n').length;
  expect(output.status === 200 && lines === 20, 'the output has not 20 lines', output);
  return `${ended.id}: ${ended.counts.succeeded} records, ${ended.costUsd} USD`;
}

class Skipped extends Error {}
function skip(why) {
  throw new Skipped(why);
}

let failed = 0;
for (const check of [readmeCurl, waiting, link, fanout, batch]) {
  try {
    console.log(`ok       ${check.name}: ${await check()}`);
  } catch (error) {
    if (error instanceof Skipped) {
      console.log(`skipped  ${check.name}: ${error.message}`);
      continue;
    }
    failed += 1;
    const cause = error.cause === undefined ? '' : ` (${error.cause.message || error.cause.code})`;
    console.log(`FAILED   ${check.name}: ${error.message}${cause}`);
  }
}
process.exitCode = failed === 0 ? 0 : 1;
