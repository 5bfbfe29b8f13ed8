import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { askStep, type BatchView, readBatch, recordOf, startBatch, textOf } from '../test/support/batches.ts';
import { megabytes, processMemory } from '../test/support/process-memory.ts';
import type { ServiceProcess } from '../test/support/service-process.ts';
import { type Stack, startStack } from '../test/support/stack.ts';
import { nova, testLanes, testLimits } from '../test/support/test-lanes.ts';
import { type Baseline, oneMessageEach } from './one-message-each.ts';

/**
 * Batches of several sizes through two workers and one scheduler, at zero latency: records a second, CPU time a record,
 * requests to AWS for 1,000 records, memory. Beside the shortest program that sends one message for each record, and beside
 * a lane paced to 200 requests a minute. BENCH_RECORDS="10000,100000" sets the sizes, BENCH_PACED the records of that run.
 */
const sizes = (process.env.BENCH_RECORDS ?? '10000,100000').split(',').map(Number);
const pacedRecords = Number(process.env.BENCH_PACED ?? 1_000);
const pacedPerMinute = 200;
const baselineRecords = 2_000;
const idleSeconds = 30;
const concurrency = 20;
/** As in a container of 512 MB; without a bound V8 lets garbage lie as long as the machine has memory. */
const heapMb = 192;
const env = { NODE_OPTIONS: `--max-old-space-size=${heapMb}` };
const results = join(import.meta.dirname, 'results', 'batch.json');

type Requests = Record<string, number>;

interface Run {
  records: number;
  wallSeconds: number;
  recordsPerSecond: number;
  cpuMsPerRecord: { workers: number; scheduler: number };
  /** Beyond what the same processes ask in the same time at rest (polls, leases): by operation, for 1,000 records. */
  requestsPer1000: Requests;
  /** All of them, those at rest included. */
  allRequestsPer1000: number;
  /** Most that a process ever held so far, in MiB. */
  peakMiB: { worker: number; scheduler: number; api: number };
  /** Of the output, without the model's own latency: the same input gives the same. */
  outputDigest: string;
}

const services = (stack: Stack): ServiceProcess[] => [...stack.workers, ...stack.schedulers];

async function requestsOf(stack: Stack): Promise<Requests> {
  const sums: Requests = {};
  for (const service of services(stack))
    for (const [name, value] of await stack.metrics(service)) {
      const [, operation, of] = /^penstock_aws_requests_total\{operation="(\w+)",service="(\w+)"\}$/.exec(name) ?? [];
      if (operation === undefined || of === 'BedrockRuntime') continue;
      sums[`${of}.${operation}`] = (sums[`${of}.${operation}`] ?? 0) + value;
    }
  return sums;
}

function minus(a: Requests, b: Requests, share = 1): Requests {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries([...names].map((name) => [name, (a[name] ?? 0) - share * (b[name] ?? 0)]));
}

const total = (requests: Requests): number => Object.values(requests).reduce((sum, each) => sum + each, 0);

/** What the fleet asks of AWS while it has nothing to do, in a second. */
async function measureRest(stack: Stack): Promise<Requests> {
  const before = await requestsOf(stack);
  await pause(idleSeconds * 1000);
  const during = minus(await requestsOf(stack), before);
  return Object.fromEntries(Object.entries(during).map(([name, each]) => [name, each / idleSeconds]));
}

/** CPU time of processes so far, in ms (Linux; elsewhere NaN). The kernel counts in hundredths of a second. */
function cpuOf(processes: readonly ServiceProcess[]): number {
  return processes.reduce((sum, { pid }) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return sum + 10 * (Number(fields[11]) + Number(fields[12]));
  }, 0);
}

/** Streamed: a million records are 60 MB. */
async function uploadRecords(stack: Stack, records: number): Promise<string> {
  async function* lines() {
    for (let from = 0; from < records; from += 1_000) {
      const some = Array.from({ length: Math.min(1_000, records - from) }, (_, each) => recordOf(from + each));
      yield Buffer.from(some.map((record) => `${JSON.stringify(record)}\n`).join(''));
    }
  }
  const response = await fetch(`${stack.apis[0]?.url}/v1/files?name=records.jsonl`, {
    method: 'POST',
    headers: { authorization: 'Bearer local-demo-key', 'content-type': 'application/jsonl' },
    body: ReadableStream.from(lines()),
    duplex: 'half',
  });
  return ((await response.json()) as { id: string }).id;
}

async function untilSucceeded(stack: Stack, id: string): Promise<BatchView> {
  for (;;) {
    const batch = await readBatch(stack, id);
    if (batch.status === 'succeeded') return batch;
    if (batch.status === 'failed') throw new Error(JSON.stringify(batch));
    await pause(1_000);
  }
}

/** Reads the output as it streams: line n belongs to record n, and all are there. */
async function checkOutput(stack: Stack, id: string, records: number): Promise<string> {
  const headers = { authorization: 'Bearer local-demo-key' };
  const response = await fetch(`${stack.apis[0]?.url}/v1/batches/${id}/output`, { headers });
  const digest = createHash('sha256');
  let rest = '';
  let n = 0;
  for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const made = JSON.parse(line) as { id: string; steps: { ask: { text: string } } };
      if (made.id !== recordOf(n).id || !made.steps.ask.text.includes(textOf(n).slice(0, 20)))
        throw new Error(`line ${n + 1} is ${line}`);
      digest.update(JSON.stringify([made.id, made.steps.ask.text]));
      n += 1;
    }
  }
  if (n !== records) throw new Error(`${n} lines of ${records}`);
  return digest.digest('hex').slice(0, 16);
}

async function run(stack: Stack, records: number, rest: Requests): Promise<Run> {
  const input = await uploadRecords(stack, records);
  const before = {
    requests: await requestsOf(stack),
    workers: cpuOf(stack.workers),
    scheduler: cpuOf(stack.schedulers),
  };
  const began = performance.now();
  const { id } = await startBatch(stack, { input, steps: [askStep] });
  const batch = await untilSucceeded(stack, id);
  const wallSeconds = (performance.now() - began) / 1000;
  if (batch.counts.succeeded !== records) throw new Error(JSON.stringify(batch));
  const all = minus(await requestsOf(stack), before.requests);
  const own = minus(all, rest, wallSeconds);
  const perThousand = (value: number): number => Number(((value * 1000) / records).toFixed(2));
  const per = (ms: number): number => Number((ms / records).toFixed(2));
  const peak = async (processes: readonly ServiceProcess[]): Promise<number> =>
    megabytes(Math.max(...(await Promise.all(processes.map(async ({ pid }) => (await processMemory(pid)).peak)))));
  return {
    records,
    wallSeconds: Number(wallSeconds.toFixed(1)),
    recordsPerSecond: Math.round(records / wallSeconds),
    cpuMsPerRecord: {
      workers: per(cpuOf(stack.workers) - before.workers),
      scheduler: per(cpuOf(stack.schedulers) - before.scheduler),
    },
    requestsPer1000: Object.fromEntries(
      Object.entries(own)
        .map(([name, value]) => [name, perThousand(value)] as const)
        .filter(([, value]) => Math.abs(value) >= 0.05),
    ),
    allRequestsPer1000: perThousand(total(all)),
    peakMiB: {
      worker: await peak(stack.workers),
      scheduler: await peak(stack.schedulers),
      api: await peak(stack.apis),
    },
    outputDigest: await checkOutput(stack, id, records),
  };
}

function print(name: string, made: Run): void {
  console.log(
    `${name}: ${made.records} records in ${made.wallSeconds} s, ${made.recordsPerSecond}/s; CPU ms a record: workers ${made.cpuMsPerRecord.workers}, scheduler ${made.cpuMsPerRecord.scheduler}; ` +
      `AWS requests per 1,000: ${total(made.requestsPer1000).toFixed(1)} (with those at rest ${made.allRequestsPer1000}); peak MiB: worker ${made.peakMiB.worker}, scheduler ${made.peakMiB.scheduler}, api ${made.peakMiB.api}`,
  );
  console.log(
    `  ${Object.entries(made.requestsPer1000)
      .map(([operation, each]) => `${operation} ${each}`)
      .join(', ')}`,
  );
}

const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
const machine = {
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  loadBefore: loadavg()[0],
};

const runs: Run[] = [];
let baseline: Baseline | undefined;
let paced: Run | undefined;
let stack = await startStack({ worker: 2, scheduler: 1, lanes: testLanes({ concurrency }), limits: testLimits, env });
try {
  await stack.emulator.setModel(nova, { latency: 0, requestsPerMinute: 1e9, tokensPerMinute: 1e12 });
  const rest = await measureRest(stack);
  for (const records of sizes) {
    const made = await run(stack, records, rest);
    print('zero latency', made);
    runs.push(made);
  }
  const texts = Array.from({ length: baselineRecords }, (_, index) => textOf(index));
  baseline = await oneMessageEach(stack, texts, concurrency);
  const each = (total(baseline.requests) - (baseline.requests['BedrockRuntime.Converse'] ?? 0)) / baselineRecords;
  console.log(
    `one message for each record: ${baseline.records} records in ${(baseline.wallMs / 1000).toFixed(1)} s; CPU ms a record ${(baseline.cpuMs / baseline.records).toFixed(2)}; AWS requests per 1,000: ${(1000 * each).toFixed(0)}`,
  );
} finally {
  await stack.stop();
}
if (pacedRecords > 0) {
  const quota = { requestsPerMinute: pacedPerMinute, tokensPerMinute: 1_000_000_000 };
  stack = await startStack({
    worker: 2,
    scheduler: 1,
    lanes: testLanes({ concurrency, quota }),
    limits: testLimits,
    env,
  });
  try {
    const rest = await measureRest(stack);
    paced = await run(stack, pacedRecords, rest);
    print(`paced to ${pacedPerMinute} a minute and worker`, paced);
  } finally {
    await stack.stop();
  }
}
const commit = { id: git('rev-parse', 'HEAD'), withChanges: git('status', '--porcelain') !== '' };
const config = { sizes, concurrency, heapMb, workers: 2, pacedPerMinute, pacedRecords, baselineRecords };
writeFileSync(
  results,
  `${JSON.stringify({ at: new Date().toISOString(), machine, commit, config, runs, baseline, paced }, null, 2)}\n`,
);
console.log(`written to ${results}`);
