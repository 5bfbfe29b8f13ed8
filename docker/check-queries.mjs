#!/usr/bin/env node
/**
 * Asks a Prometheus for every query of every dashboard panel and of every rule, and says which give no data:
 * `node docker/check-queries.mjs`. Exit code 1 if a query is refused, or a panel that must have data after
 * `docker/smoke.mjs` has none. Plain JavaScript, for any Node from 20 on.
 *
 * PROMETHEUS_URL (http://127.0.0.1:9090).
 */
import { readdir, readFile } from 'node:fs/promises';

const prometheus = process.env.PROMETHEUS_URL ?? 'http://127.0.0.1:9090';
const folder = new URL('grafana/dashboards/', import.meta.url);

/** No data is right for these where all is well, or where the feature was not used. */
const mayBeEmpty = [
  ['retries', /penstock_retries_total/, 'no call was tried again'],
  ['streams', /penstock_first_token_seconds/, 'no call streamed'],
  ['alerts', /ALERTS/, 'no alert fires'],
  ['above a bound', /> 0$/, 'nothing is above 0'],
];

/** What Grafana would put in, with `All` chosen. */
const filled = (expr) =>
  expr.replaceAll('$__rate_interval', '1m').replaceAll('$__range', '1h').replaceAll('$lane', '.+');

async function panelQueries() {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
  const dashboards = await Promise.all(
    files.map(async (file) => JSON.parse(await readFile(new URL(file, folder), 'utf8'))),
  );
  return dashboards.flatMap(({ title, panels }) =>
    panels.flatMap((panel) =>
      (panel.targets ?? []).map(({ expr, legendFormat }) => ({
        name: `${title} / ${panel.title} / ${legendFormat}`,
        expr: filled(expr),
        isAlert: false,
      })),
    ),
  );
}

async function ruleQueries() {
  const { groups } = await ask('rules');
  return groups.flatMap(({ rules }) =>
    rules.map(({ name, query, type, health, lastError }) => {
      if (health === 'err') throw new Error(`the rule ${name} fails: ${lastError}`);
      return { name: `rule / ${name}`, expr: query, isAlert: type === 'alerting' };
    }),
  );
}

async function ask(path, parameters = {}) {
  const url = new URL(`${prometheus}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  const body = await response.json();
  if (body.status !== 'success') throw new Error(body.error);
  return body.data;
}

/** An alert's query is empty while all is well: it must only be understood. */
async function check({ name, expr, isAlert }) {
  const { result } = await ask('query', { query: expr });
  if (result.length > 0 || isAlert) return 'ok';
  const excuse = mayBeEmpty.find(([, pattern]) => pattern.test(expr));
  console.log(
    `${excuse === undefined ? 'NO DATA' : 'no data'}  ${name}${excuse === undefined ? '' : `: ${excuse[2]}`}`,
  );
  return excuse === undefined ? 'empty' : 'excused';
}

const seen = { ok: 0, empty: 0, excused: 0, refused: 0 };
for (const query of [...(await panelQueries()), ...(await ruleQueries())]) {
  try {
    seen[await check(query)] += 1;
  } catch (error) {
    seen.refused += 1;
    console.log(`REFUSED  ${query.name}: ${error.message}`);
  }
}
console.log(`${seen.ok} ok, ${seen.excused} rightly without data, ${seen.empty} without data, ${seen.refused} refused`);
process.exitCode = seen.empty + seen.refused === 0 ? 0 : 1;
