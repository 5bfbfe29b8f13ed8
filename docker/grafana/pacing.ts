import type { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { dashboard, laneVariable, lines } from './panels.ts';

/** What the account's quota allows, what is used of it, and who waits for the rest. */
export function pacing(): DashboardBuilder {
  const description = 'What the quota of each model allows, what is used of it, and who waits for the rest';
  const page = dashboard('Pacing', 'penstock-pacing', description).withVariable(laneVariable());
  for (const panel of [...quota, ...refusals, ...places, ...models]) page.withPanel(panel);
  return page;
}

const lane = 'lane=~"$lane"';

const quota = [
  lines({
    title: 'Share of the quota in use',
    unit: 'percentunit',
    columns: 24,
    warn: { amber: 0.9, red: 1 },
    normal: 'up to 95 % under load, by the dimension that is scarcer. That is the point: the rest waits in the queue.',
    otherwise:
      'low though requests wait: too few slots or workers, or a paused lane. At the top all day: ask AWS for more quota.',
    queries: { '{{lane}} {{dimension}}': `penstock:quota_use:ratio{${lane}}` },
  }),
  lines({
    title: 'Requests a minute: allowed and used',
    unit: 'cpm',
    columns: 12,
    normal: 'used stays under allowed.',
    otherwise: 'allowed is below what the account has: Bedrock throttled, and the pace was lowered for a while.',
    queries: {
      '{{lane}} allowed': `penstock:quota_limit:sum{dimension="requests", ${lane}}`,
      '{{lane}} used': `penstock:quota_used:sum{dimension="requests", ${lane}}`,
    },
  }),
  lines({
    title: 'Tokens a minute: allowed and used',
    unit: 'cpm',
    columns: 12,
    normal: 'used stays under allowed; a call reserves its maximum and gives back what it did not use.',
    otherwise: 'used is high with few tokens written: callers set a far too large maxTokens.',
    queries: {
      '{{lane}} allowed': `penstock:quota_limit:sum{dimension="tokens", ${lane}}`,
      '{{lane}} used': `penstock:quota_used:sum{dimension="tokens", ${lane}}`,
    },
  }),
];

const refusals = [
  lines({
    title: 'Calls that Bedrock refused',
    unit: 'percentunit',
    columns: 8,
    warn: { amber: 0.01, red: 0.05 },
    normal: 'zero, or a trace.',
    otherwise: 'the quota in config/lanes.json is above the account’s, or something else uses the same models.',
    queries: { '{{lane}}': `penstock:throttle:ratio5m{${lane}}` },
  }),
  lines({
    title: 'Calls tried again, by reason',
    unit: 'cps',
    columns: 8,
    normal: 'few. Each is paced like any call, and no request is lost by it.',
    otherwise:
      'throttled: see left. Timeouts or 5xx: the model’s health page; the lane pauses itself when nothing succeeds.',
    queries: { '{{lane}} {{code}}': `sum by (lane, code) (rate(penstock_retries_total{${lane}}[5m]))` },
  }),
  lines({
    title: 'Lanes on hold',
    unit: 'none',
    columns: 8,
    warn: { amber: 0.5, red: 0.5 },
    normal: 'zero.',
    otherwise:
      'one: an operator or the service itself paused it. GET /v1/lanes says why; POST /v1/lanes/{lane}/resume goes on.',
    queries: { '{{lane}}': `max by (lane) (penstock_lane_paused{${lane}})` },
  }),
];

const places = [
  lines({
    title: 'Places for calls: busy, free, and wanted',
    unit: 'none',
    columns: 12,
    normal: 'wanted is about what is busy.',
    otherwise: 'wanted is above busy and free together: start more workers. Workers should be scaled by it.',
    queries: {
      '{{lane}} {{state}}': `sum by (lane, state) (penstock_slots{${lane}})`,
      '{{lane}} wanted': `max by (lane) (penstock_slots_wanted{${lane}})`,
    },
  }),
  lines({
    title: 'Requests waiting',
    unit: 'short',
    columns: 12,
    isStacked: true,
    normal: 'what is above the quota for the moment.',
    otherwise: 'it grows for hours: more comes in than the quota lets through.',
    queries: {
      '{{queue}}':
        'sum by (queue) (penstock:queue_messages:max{state="visible", queue=~".*($lane)(-high|-low|-batch)?"})',
    },
  }),
];

const models = [
  lines({
    title: 'Time of a model call',
    unit: 's',
    columns: 8,
    normal: 'as the model is known; steady over the day.',
    otherwise: 'it rises for one model: the model is slow today. More workers do not help.',
    queries: {
      '{{lane}} half': `histogram_quantile(0.5, sum by (lane, le) (rate(penstock_model_seconds_bucket{${lane}}[5m])))`,
      '{{lane}} 95 of 100': `histogram_quantile(0.95, sum by (lane, le) (rate(penstock_model_seconds_bucket{${lane}}[5m])))`,
    },
  }),
  lines({
    title: 'Time to the first word',
    unit: 's',
    columns: 8,
    normal: 'under a few seconds; only calls that stream are in it.',
    otherwise: 'live users feel it. Very long prompts, or the model is slow today.',
    queries: {
      '{{lane}} 95 of 100': `histogram_quantile(0.95, sum by (lane, le) (rate(penstock_first_token_seconds_bucket{${lane}}[5m])))`,
    },
  }),
  lines({
    title: 'Tokens counted over tokens expected',
    unit: 'none',
    columns: 8,
    normal: 'near one: the reservation of a call fits what it costs.',
    otherwise:
      'far from one for long: prompts of an unusual kind. The estimate follows by itself; the quota is used less well meanwhile.',
    queries: { '{{lane}}': `avg by (lane) (penstock_token_estimate_ratio{${lane}})` },
  }),
];
