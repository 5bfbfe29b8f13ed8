import { type DashboardBuilder, RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { dashboard, figure, lines } from './panels.ts';

/** Is the service doing its work, how fast, and for how much. */
export function overview(): DashboardBuilder {
  const page = dashboard(
    'Overview',
    'penstock-overview',
    'Is the service doing its work, how fast, and what does it cost',
  );
  for (const panel of [...figures, ...flow, ...money]) page.withPanel(panel);
  return page.withRow(new RowBuilder('The service itself')).withPanel(replicas).withPanel(answers).withPanel(alerts);
}

const figures = [
  figure({
    title: 'Requests taken in',
    unit: 'cpm',
    columns: 4,
    normal: 'follows what callers send; zero at night is fine.',
    otherwise: 'zero by day: is the api up, and do callers get 202?',
    queries: { 'per minute': 'sum(penstock:jobs_in:rate5m) * 60' },
  }),
  figure({
    title: 'Requests finished',
    unit: 'cpm',
    columns: 4,
    normal: 'the same as taken in, or more while a backlog is worked off.',
    otherwise: 'lower for long: the backlog grows. See Pacing: is the quota spent, or are there too few workers?',
    queries: { 'per minute': 'sum(penstock:jobs_out:rate5m) * 60' },
  }),
  figure({
    title: 'Succeeded',
    unit: 'percentunit',
    columns: 4,
    warn: { amber: 0.99, red: 0.95, isFloor: true },
    normal: 'above 99 %.',
    otherwise: 'list failed jobs (GET /v1/jobs?status=failed): their error code says whose fault it is.',
    queries: {
      'of the finished':
        'sum(penstock:jobs_out:rate5m{status="succeeded"}) / (sum(penstock:jobs_out:rate5m) > 0) or vector(1)',
    },
  }),
  figure({
    title: 'Longest wait',
    unit: 's',
    columns: 4,
    warn: { amber: 60, red: 900 },
    normal: 'seconds. Low priority and batches may wait and are not in it.',
    otherwise: 'see Pacing: a paused lane, a spent quota, or too few workers.',
    queries: { 'in a queue': 'max(penstock:queue_oldest_seconds:max{queue!~".+-(low|batch)"})' },
  }),
  figure({
    title: 'Cost per hour',
    unit: 'currencyUSD',
    columns: 4,
    normal: 'follows the requests finished. By the price list in config/lanes.json.',
    otherwise: 'higher at the same number of requests: longer prompts or answers, or a dearer model.',
    queries: { 'at the present pace': 'sum(penstock:cost_usd:per_hour)' },
  }),
  figure({
    title: 'Alerts now',
    unit: 'none',
    columns: 4,
    warn: { amber: 1, red: 2 },
    normal: 'none.',
    otherwise: 'the panel at the bottom names them; docs/operations.md says what to do about each.',
    queries: { firing: 'sum(ALERTS{alertstate="firing"}) or vector(0)' },
  }),
];

const flow = [
  lines({
    title: 'Requests taken in and finished',
    unit: 'cps',
    columns: 12,
    normal: 'the two lines lie on each other; after a burst, finished stays above until the backlog is gone.',
    otherwise: 'taken in above finished for long: the quota or the number of workers is too small for the load.',
    queries: { 'taken in': 'sum(penstock:jobs_in:rate5m)', '{{status}}': 'sum by (status) (penstock:jobs_out:rate5m)' },
  }),
  lines({
    title: 'From request to answer',
    unit: 's',
    columns: 12,
    normal: 'the half line is near the time of the model; 99 of 100 within a few times of it.',
    otherwise:
      'all three rise: requests wait, see the age of the queues. Only the highest rises: retries, or a few very long answers.',
    queries: {
      'half of all within': 'histogram_quantile(0.5, sum by (le) (rate(penstock_job_total_seconds_bucket[5m])))',
      '95 of 100 within': 'histogram_quantile(0.95, sum by (le) (rate(penstock_job_total_seconds_bucket[5m])))',
      '99 of 100 within': 'histogram_quantile(0.99, sum by (le) (rate(penstock_job_total_seconds_bucket[5m])))',
    },
  }),
  lines({
    title: 'Age of the oldest request, by queue',
    unit: 's',
    columns: 12,
    warn: { amber: 60, red: 900 },
    normal: 'near zero; low priority and batch queues may be hours old.',
    otherwise: 'a queue that grows older steadily gets less than comes in: pause something, scale, or raise its quota.',
    queries: { '{{queue}}': 'penstock:queue_oldest_seconds:max > 0' },
  }),
  lines({
    title: 'Requests waiting, by queue',
    unit: 'short',
    columns: 12,
    isStacked: true,
    normal: 'bursts that are gone within minutes; batch queues hold a few chunks.',
    otherwise: 'it only grows: see Pacing. Queues that end in -dlq should be empty.',
    queries: { '{{queue}}': 'sum by (queue) (penstock:queue_messages:max{state="visible"}) > 0' },
  }),
];

const money = [
  lines({
    title: 'Cost per hour, by lane',
    unit: 'currencyUSD',
    columns: 12,
    isStacked: true,
    normal: 'in proportion to the requests of each lane.',
    otherwise: 'a lane that costs more than it did: compare its tokens with its requests.',
    queries: { '{{lane}}': 'penstock:cost_usd:per_hour' },
  }),
  lines({
    title: 'Tokens read and written',
    unit: 'cps',
    columns: 12,
    normal: 'steady for the same kind of work; cache reads are cheap ones.',
    otherwise: 'input rises without more requests: somebody sends longer prompts.',
    queries: { '{{kind}}': 'sum by (kind) (rate(penstock_tokens_total[5m]))' },
  }),
];

const replicas = lines({
  title: 'Processes up, by mode',
  unit: 'none',
  columns: 8,
  normal: 'one or more of each mode.',
  otherwise: 'zero: nothing of that kind happens. Its last log lines say why.',
  queries: { '{{mode}}': 'penstock:replicas:up' },
});
const answers = lines({
  title: 'Answers of the api, by status',
  unit: 'reqps',
  columns: 8,
  isStacked: true,
  normal: '200 and 202; a few 4xx are callers’ mistakes.',
  otherwise:
    '429: a tenant is over its limit, or a lane’s backlog is full. 5xx: /ready of the api says what is missing.',
  queries: { '{{status}}': 'sum by (status) (rate(penstock_http_request_seconds_count[5m]))' },
});
const alerts = lines({
  title: 'Alerts, by name',
  unit: 'none',
  columns: 8,
  normal: 'one line at zero, none firing.',
  otherwise: 'look the name up in docs/operations.md.',
  queries: { '{{alertname}}': 'sum by (alertname) (ALERTS{alertstate="firing"})', none: 'vector(0)' },
});
