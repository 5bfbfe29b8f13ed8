import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime';
import { childrenOf, type FanoutView, said, submitFanout } from '../test/support/fanouts.ts';
import { type Stack, startStack } from '../test/support/stack.ts';
import { claude, nova, testLanes, testLimits } from '../test/support/test-lanes.ts';

/**
 * What a fan-out costs in time: from submit to the parent's end, as its client sees it, over the model time of its slowest
 * branch; beside the same calls one after the other, and all at once in one process (the floor: nothing is stored, nothing
 * survives). All through the same emulator, whose answers take a fixed time.
 */

const config = {
  branches: [5, 50],
  modelMs: [1_000, 5_000],
  /** Of the fan-out and of the floor, taken in turns; the median counts. One after the other is measured once. */
  runs: 5,
  lanes: 3,
  slotsPerLane: 50,
  processes: { api: 1, worker: 1, 'fanout-router': 1 },
};
const results = join(import.meta.dirname, 'results', 'fanout.json');
const models = [nova, claude, 'amazon.nova-pro-v1:0'];
const modelOf = (branch: number) => models[branch % models.length] as string;

type Run = { totalMs: number; cpuMs: number; slowestMs: number };
/** Where a fan-out's time goes, each since the submit, by the records' own times. */
type Phases = { lastMadeMs: number; lastBegunMs: number; lastEndedMs: number; joinedMs: number; toldMs: number };

async function fanout(stack: Stack, text: string, branches: number): Promise<Run & Phases> {
  const cpu = cpuOf(stack);
  const submittedAt = Date.now();
  const before = performance.now();
  const parent = await submitFanout(
    stack,
    {
      input: { ...said(text), inferenceConfig: { maxTokens: 50 } },
      branches: Array.from({ length: branches }, (_, branch) => ({ name: `b${branch}`, model: modelOf(branch) })),
    },
    { prefer: 'wait=55' },
  );
  const totalMs = performance.now() - before;
  const cpuMs = cpuOf(stack) - cpu;
  if (parent.status !== 'succeeded') throw new Error(`a fan-out ended ${parent.status}: ${JSON.stringify(parent)}`);
  const children = await childrenOf(stack, parent.id);
  const since = (field: string) =>
    Math.max(...children.map((child) => Date.parse(child[field] as string))) - submittedAt;
  const modelTimes = children.map((child) => (child.timings as { modelMs: number }).modelMs);
  return {
    totalMs,
    cpuMs,
    slowestMs: Math.max(...modelTimes),
    lastMadeMs: since('createdAt'),
    lastBegunMs: since('startedAt'),
    lastEndedMs: since('finishedAt'),
    joinedMs: Date.parse((parent as FanoutView & { finishedAt: string }).finishedAt) - submittedAt,
    toldMs: totalMs,
  };
}

/** The calls of a fan-out by the SDK alone. */
async function bySdk(client: BedrockRuntimeClient, text: string, branches: number, how: 'at once' | 'in turn') {
  const call = async (branch: number): Promise<number> => {
    const began = performance.now();
    await client.send(
      new ConverseCommand({
        modelId: modelOf(branch),
        messages: [{ role: 'user', content: [{ text }] }],
        inferenceConfig: { maxTokens: 50 },
      }),
    );
    return performance.now() - began;
  };
  const cpu = process.cpuUsage();
  const before = performance.now();
  const times: number[] = [];
  if (how === 'at once') times.push(...(await Promise.all(Array.from({ length: branches }, (_, each) => call(each)))));
  else for (let each = 0; each < branches; each += 1) times.push(await call(each));
  const { user, system } = process.cpuUsage(cpu);
  return { totalMs: performance.now() - before, cpuMs: (user + system) / 1000, slowestMs: Math.max(...times) };
}

/** CPU time of the service's processes so far, in ms (Linux; elsewhere NaN). */
function cpuOf(stack: Stack): number {
  const ticks = [...stack.apis, ...stack.workers, ...stack.routers].map(({ pid }) => {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      return Number(fields[11]) + Number(fields[12]);
    } catch {
      return Number.NaN;
    }
  });
  // The kernel counts in hundredths of a second.
  return ticks.reduce((sum, each) => sum + each, 0) * 10;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** The median of each number. */
function medians<T extends Record<string, number>>(runs: readonly T[]): T {
  const names = Object.keys(runs[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, Math.round(median(runs.map((run) => run[name] ?? 0)))])) as T;
}

async function measure(stack: Stack, client: BedrockRuntimeClient, branches: number, modelMs: number) {
  for (const model of models)
    await stack.emulator.setModel(model, { latency: { firstTokenMs: modelMs, perTokenMs: 0, spread: 0 } });
  const ours: (Run & Phases)[] = [];
  const floor: Run[] = [];
  for (let run = 0; run < config.runs; run += 1) {
    ours.push(await fanout(stack, `${branches} branches, run ${run}`, branches));
    floor.push(await bySdk(client, `floor of ${branches}, run ${run}`, branches, 'at once'));
  }
  const inTurn = await bySdk(client, `${branches} in turn`, branches, 'in turn');
  const { totalMs, cpuMs, slowestMs, ...phases } = medians(ours);
  const row = (how: string, run: Run) => ({
    branches,
    modelMs,
    how,
    ...run,
    ratio: Number((run.totalMs / run.slowestMs).toFixed(3)),
  });
  const rows = [
    row('fan-out', { totalMs, cpuMs, slowestMs }),
    row('Promise.all in one process', medians(floor)),
    row('one after the other', medians([inTurn])),
  ];
  return {
    branches,
    modelMs,
    rows,
    phases,
    ratios: ours.map((run) => Number((run.totalMs / run.slowestMs).toFixed(3))),
  };
}

function print(lines: readonly (readonly string[])[]): void {
  const widths = (lines[0] ?? []).map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  for (const line of lines) console.log(line.map((cell, at) => cell.padStart(widths[at] ?? 0)).join('  '));
  console.log();
}

function git(...args: string[]): string {
  return execFileSync('git', args, { encoding: 'utf8' }).trim();
}

const machine = {
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  loadBefore: loadavg()[0],
};
const lane = (model: string) => ({
  ...testLanes().lanes['nova-lite'],
  models: [model],
  concurrency: config.slotsPerLane,
});
const lanes = Object.fromEntries(models.map((model, index) => [`lane-${index}`, lane(model)]));
const stack = await startStack({ router: 1, lanes: { lanes }, limits: testLimits });
const client = new BedrockRuntimeClient({
  endpoint: stack.endpoints.bedrockUrl,
  region: 'us-east-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
});
try {
  // Connections, queue URLs and compiled code are there before anything is measured.
  for (const branches of config.branches) await fanout(stack, `warm ${branches}`, branches);
  const measured = [];
  for (const modelMs of config.modelMs)
    for (const branches of config.branches) measured.push(await measure(stack, client, branches, modelMs));
  print([
    ['branches', 'model ms', 'how', 'total ms', 'slowest call ms', 'ratio', 'CPU ms'],
    ...measured.flatMap(({ rows }) =>
      rows.map((row) => [
        String(row.branches),
        String(row.modelMs),
        row.how,
        String(row.totalMs),
        String(row.slowestMs),
        row.ratio.toFixed(3),
        String(row.cpuMs),
      ]),
    ),
  ]);
  print([
    ['branches', 'model ms', 'last branch made', 'begun', 'ended', 'joined', 'client told', 'ms since the submit'],
    ...measured.map(({ branches, modelMs, phases: at }) =>
      [branches, modelMs, at.lastMadeMs, at.lastBegunMs, at.lastEndedMs, at.joinedMs, at.toldMs, ''].map(String),
    ),
  ]);
  const commit = { id: git('rev-parse', 'HEAD'), withChanges: git('status', '--porcelain') !== '' };
  const report = { at: new Date().toISOString(), machine, commit, config, measured };
  writeFileSync(results, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`written to ${results}`);
} finally {
  client.destroy();
  await stack.stop();
}
