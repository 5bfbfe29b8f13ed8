import { type DashboardBuilder, RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { dashboard, figure, lines } from './panels.ts';

/** Requests that are split and joined, and datasets on their way. */
export function fanoutAndBatch(): DashboardBuilder {
  const description = 'Requests that are split and joined, and datasets on their way';
  const page = dashboard('Fan-out and batch', 'penstock-fanout-and-batch', description);
  page.withRow(new RowBuilder('Fan-out'));
  for (const panel of fanout) page.withPanel(panel);
  page.withRow(new RowBuilder('Batch'));
  for (const panel of batch) page.withPanel(panel);
  return page;
}

const fanout = [
  lines({
    title: 'Fan-outs joined, by how they ended',
    unit: 'cps',
    columns: 8,
    normal: 'nearly all succeeded.',
    otherwise: 'failed: too few branches succeeded for the policy. The fan-out’s error names the branch.',
    queries: { '{{status}}': 'sum by (status) (rate(penstock_jobs_total{lane="fanout"}[5m]))' },
  }),
  lines({
    title: 'Branches, by how they ended',
    unit: 'cps',
    columns: 8,
    normal:
      'succeeded; cancelled ones come with the policies “any” and “quorum”, which stop what is not needed any more.',
    otherwise: 'failed: the model or agent of those branches. Missing: their deadline came before them.',
    queries: { '{{status}}': 'sum by (status) (rate(penstock_fanout_branches_total[5m]))' },
  }),
  lines({
    title: 'From the last branch to the joined answer',
    unit: 's',
    columns: 8,
    normal: 'well under a second; with a synthesis or a judge, one model call more.',
    otherwise: 'seconds: the fanout-router is behind. Start another; see its event loop on the Process dashboard.',
    queries: {
      half: 'histogram_quantile(0.5, sum by (le) (rate(penstock_join_seconds_bucket[5m])))',
      '95 of 100': 'histogram_quantile(0.95, sum by (le) (rate(penstock_join_seconds_bucket[5m])))',
    },
  }),
  lines({
    title: 'Webhooks, by what became of them',
    unit: 'cps',
    columns: 24,
    normal: 'delivered.',
    otherwise:
      'failed ones are tried again for a day; given up: the receiver was down all that time. Its owner has to read the jobs.',
    queries: { '{{result}}': 'sum by (result) (rate(penstock_webhook_deliveries_total[5m]))' },
  }),
];

const batch = [
  figure({
    title: 'Records per second',
    unit: 'cps',
    columns: 6,
    normal: 'steady while a batch runs: what the lane’s quota leaves beside interactive requests.',
    otherwise: 'zero with chunks under way: is the lane paused, or all of its quota taken by requests?',
    queries: { ended: 'sum(rate(penstock_batch_records_total[5m]))' },
  }),
  figure({
    title: 'Records that failed',
    unit: 'percentunit',
    columns: 6,
    warn: { amber: 0.01, red: 0.1 },
    normal: 'zero, or the few that the model refuses.',
    otherwise: 'errors.jsonl of the batch names each with its reason; a retry redoes only those.',
    queries: {
      'of the ended':
        'sum(rate(penstock_batch_records_total{status="failed"}[5m])) / (sum(rate(penstock_batch_records_total[5m])) > 0) or vector(0)',
    },
  }),
  figure({
    title: 'Parts of datasets under way',
    unit: 'none',
    columns: 6,
    normal: 'a few for each running batch.',
    otherwise: 'none though a batch runs: are its lane’s workers up, and a batch-scheduler?',
    queries: { parts: 'sum(penstock_batch_chunks) or vector(0)' },
  }),
  figure({
    title: 'Keepers of the clock',
    unit: 'none',
    columns: 6,
    warn: { amber: 1, red: 0.5, isFloor: true },
    normal: 'one. The others do the work of batches as well, but only one starts what is due.',
    otherwise: 'zero: schedules do not start. Is a batch-scheduler up, and can it write its table?',
    queries: { leaders: 'sum(penstock_leader) or vector(0)' },
  }),
  lines({
    title: 'Records, by how they ended',
    unit: 'cps',
    columns: 12,
    isStacked: true,
    normal: 'nearly all succeeded.',
    otherwise: 'many failed at once: a broken input or expression; the batch’s errors.jsonl says which.',
    queries: { '{{status}}': 'sum by (status) (rate(penstock_batch_records_total[5m]))' },
  }),
  lines({
    title: 'Progress: records ended since a day, parts under way',
    unit: 'short',
    columns: 12,
    normal: 'records climb while parts are under way, and rest when there are none.',
    otherwise: 'parts under way without progress for half an hour: see the log of the workers.',
    queries: {
      'records {{status}}': 'sum by (status) (increase(penstock_batch_records_total[1d]))',
      'parts {{state}}': 'sum by (state) (penstock_batch_chunks)',
    },
  }),
  lines({
    title: 'Work waiting for batches',
    unit: 'short',
    columns: 12,
    normal: 'a few messages for each running batch.',
    otherwise: 'hundreds in batch-work: start another batch-scheduler.',
    queries: {
      '{{queue}} {{state}}':
        'penstock:queue_messages:max{queue=~".*batch-work|.*batch-events|.+-batch", state!="delayed"}',
    },
  }),
  lines({
    title: 'Schedules that came due, in the last hour',
    unit: 'none',
    columns: 12,
    normal: 'started, or skipped where the schedule says so.',
    otherwise: 'failed: GET /v1/schedules; lastError of each says why.',
    queries: { '{{result}}': 'sum by (result) (increase(penstock_schedule_runs_total[1h]))' },
  }),
];
