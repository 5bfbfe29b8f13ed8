import { expect, test } from 'vitest';
import { createMetrics, startLaneAtZero } from './metrics.ts';

/** The series of a text in Prometheus' format: name with labels, and value. */
function seriesOf(text: string): [string, number][] {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]);
}

test('what a lane counts is there, at 0, before the first job', async () => {
  const metrics = createMetrics();
  startLaneAtZero(metrics, 'nova');
  const series = new Map(seriesOf(await metrics.registry.metrics()));
  for (const name of [
    'penstock_jobs_total{lane="nova",status="succeeded"}',
    'penstock_jobs_total{lane="nova",status="failed"}',
    'penstock_throttles_total{lane="nova"}',
    'penstock_cost_usd_total{lane="nova"}',
    'penstock_tokens_total{lane="nova",kind="output"}',
    'penstock_model_seconds_count{lane="nova"}',
    'penstock_job_total_seconds_bucket{le="+Inf",lane="nova"}',
    'penstock_push_total{result="sent"}',
  ])
    expect(series.get(name), name).toBe(0);
});

test('a process of many lanes is rendered whole, each series once', async () => {
  const metrics = createMetrics();
  for (let lane = 0; lane < 20; lane += 1) startLaneAtZero(metrics, `lane-${lane}`);
  const names = seriesOf(await metrics.registry.metrics()).map(([name]) => name);
  expect(names.length).toBeGreaterThan(1_000);
  expect(new Set(names).size).toBe(names.length);
});

test('labels take values from the code and the configuration only: no ids, tenants or texts of callers', () => {
  const bounded = ['lane', 'status', 'kind', 'code', 'dimension', 'state', 'queue', 'service', 'operation', 'result'];
  const ofRoutes = ['method', 'route'];
  const used = createMetrics().registry.getMetricsAsArray() as unknown as { name: string; labelNames: string[] }[];
  expect(used.length).toBeGreaterThan(20);
  for (const { name, labelNames } of used) {
    expect(name).toMatch(/^penstock_/);
    expect([...bounded, ...ofRoutes]).toEqual(expect.arrayContaining(labelNames));
  }
});

test('each process says what it uses of memory and CPU', async () => {
  const { registry } = createMetrics();
  const series = new Map(seriesOf(await registry.metrics()));
  expect(series.get('penstock_memory_bytes{kind="rss"}')).toBeGreaterThan(10_000_000);
  const before = series.get('penstock_cpu_seconds_total') as number;
  expect(before).toBeGreaterThan(0);
  // The second scrape adds what was used since the first, not all of it again.
  const after = new Map(seriesOf(await registry.metrics())).get('penstock_cpu_seconds_total') as number;
  expect(after).toBeGreaterThanOrEqual(before);
  expect(after).toBeLessThan(before + process.cpuUsage().user / 1e6);
});
