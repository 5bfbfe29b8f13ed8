import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createMetrics, startLaneAtZero } from '../src/runtime/metrics.ts';

/**
 * What a scrape costs the process that is scraped: the event loop stands still while `/metrics` is rendered. A worker of
 * 20 lanes has about 1,000 series; the baseline is an empty process.
 */

const runs = 200;
const wantedSeries = 1_000;

/** A process with as many lanes as it takes to have 1,000 series. */
async function withLanes(): Promise<{ metrics: ReturnType<typeof createMetrics>; lanes: number }> {
  const metrics = createMetrics();
  for (let lanes = 1; ; lanes += 1) {
    const lane = `lane-${lanes}`;
    startLaneAtZero(metrics, lane);
    metrics.jobTotalSeconds.observe({ lane }, lanes);
    if ((await seriesOf(metrics)) >= wantedSeries) return { metrics, lanes };
  }
}

async function seriesOf(metrics: ReturnType<typeof createMetrics>): Promise<number> {
  const text = await metrics.registry.metrics();
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
}

async function measure(metrics: ReturnType<typeof createMetrics>) {
  const times: number[] = [];
  let bytes = 0;
  for (let run = 0; run < runs; run += 1) {
    const startedAt = performance.now();
    bytes = (await metrics.registry.metrics()).length;
    times.push(performance.now() - startedAt);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): number => Number((times[Math.floor(share * (runs - 1))] as number).toFixed(3));
  return { series: await seriesOf(metrics), bytes, firstAndWorstMs: at(1), medianMs: at(0.5), p99Ms: at(0.99) };
}

const { metrics, lanes } = await withLanes();
const result = {
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version },
  commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(),
  config: { runs, lanes },
  empty: await measure(createMetrics()),
  full: await measure(metrics),
};
writeFileSync(join(import.meta.dirname, 'results', 'metrics.json'), `${JSON.stringify(result, null, 2)}\n`);
console.log(JSON.stringify(result, null, 2));
