import type { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { dashboard, lines } from './panels.ts';

/** Whether the processes themselves are well, and what they ask of AWS. */
export function processes(): DashboardBuilder {
  const description = 'Whether the processes themselves are well, and what they ask of AWS';
  const page = dashboard('Process', 'penstock-process', description);
  for (const panel of [...health, ...aws, ...live]) page.withPanel(panel);
  return page;
}

const health = [
  lines({
    title: 'How far each process is behind itself',
    unit: 's',
    columns: 8,
    warn: { amber: 0.1, red: 0.25 },
    normal: 'about 20 ms, which is the resolution of the measurement.',
    otherwise: 'more for minutes: too little CPU. Start more of this mode, or give it more.',
    queries: { '{{mode}} {{instance}}': 'penstock_event_loop_lag_seconds' },
  }),
  lines({
    title: 'Memory of each process',
    unit: 'bytes',
    columns: 8,
    normal: 'about 80 to 150 MB, level over days.',
    otherwise:
      'it climbs for days: restart the process and report it. At the limit the platform kills it; nothing is lost.',
    queries: { '{{mode}} {{instance}}': 'penstock_memory_bytes{kind="rss"}' },
  }),
  lines({
    title: 'CPU of each process',
    unit: 'percentunit',
    columns: 8,
    warn: { amber: 0.8, red: 1 },
    normal: 'a few hundredths when idle; one is a whole core, and more than one does not help a process.',
    otherwise: 'near one: start more of this mode.',
    queries: { '{{mode}} {{instance}}': 'rate(penstock_cpu_seconds_total[1m])' },
  }),
];

const aws = [
  lines({
    title: 'Requests to AWS',
    unit: 'reqps',
    columns: 12,
    isStacked: true,
    normal: 'grows with the work; an idle fleet still asks its queues and renews its leases.',
    otherwise: 'more with the same work: retries against a service that throttles or is down.',
    queries: { '{{service}} {{operation}}': 'sum by (service, operation) (rate(penstock_aws_requests_total[5m]))' },
  }),
  lines({
    title: 'Requests to AWS for each finished request',
    unit: 'none',
    columns: 12,
    normal: 'falls with load, as more goes together; high when there is hardly any work.',
    otherwise: 'rises under load: retries, or a setting that makes batches smaller.',
    queries: { '{{service}}': 'penstock:aws_requests:per_job' },
  }),
];

const live = [
  lines({
    title: 'Requests watched live',
    unit: 'none',
    columns: 8,
    normal: 'what is open in browsers and clients.',
    otherwise: 'zero though users are there: do their sockets get through the load balancer?',
    queries: { '{{instance}}': 'penstock_watchers' },
  }),
  lines({
    title: 'Live updates between processes',
    unit: 'cps',
    columns: 8,
    normal: 'sent. What is lost is made up for by a slow re-read.',
    otherwise: 'failed or dropped: processes cannot reach each other’s ops port, or have different secrets.',
    queries: { '{{result}}': 'sum by (result) (rate(penstock_push_total[5m]))' },
  }),
  lines({
    title: 'Time of an answer of the api, 95 of 100',
    unit: 's',
    columns: 8,
    normal: 'tens of milliseconds; calls that wait for their end, and live streams, take as long as they take.',
    otherwise: 'submits get slow: DynamoDB or SQS are slow, or the api has too little CPU.',
    queries: {
      '{{method}} {{route}}':
        'histogram_quantile(0.95, sum by (method, route, le) (rate(penstock_http_request_seconds_bucket[5m]))) >= 0',
    },
  }),
];
