import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { dashboards, toJson } from './dashboards.ts';
import { dataSource } from './panels.ts';

type Panel = {
  type: string;
  id: number;
  title: string;
  description?: string;
  fieldConfig?: { defaults: { unit?: string } };
  targets?: { refId: string; expr: string; datasource: unknown }[];
  gridPos: { x: number; y: number; w: number; h: number };
};

const all = Object.entries(dashboards());
const panelsOf = (dashboard: (typeof all)[number][1]): Panel[] => dashboard.panels as unknown as Panel[];
const charts = all.flatMap(([name, dashboard]) =>
  panelsOf(dashboard)
    .filter(({ type }) => type !== 'row')
    .map((panel) => ({ name: `${name}: ${panel.title}`, panel })),
);
const read = (path: string): Promise<string> => readFile(new URL(path, import.meta.url), 'utf8');

test('the files that Grafana reads are those that the code makes: npm run dashboards', async () => {
  const files = await readdir(new URL('dashboards', import.meta.url));
  expect(files.sort()).toEqual(all.map(([name]) => `${name}.json`).sort());
  for (const [name, dashboard] of all)
    expect(await read(`dashboards/${name}.json`), `${name}.json is not current`).toBe(toJson(dashboard));
});

test('there is a dashboard for each question, under an address that does not change', () => {
  expect(all.map(([, { title, uid }]) => [title, uid])).toEqual([
    ['Overview', 'penstock-overview'],
    ['Pacing', 'penstock-pacing'],
    ['Fan-out and batch', 'penstock-fanout-and-batch'],
    ['Process', 'penstock-process'],
  ]);
});

test.each(charts)('$name has a unit, says what is normal and what to do when it is not', ({ panel }) => {
  expect(panel.title).not.toMatch(/penstock|_/);
  expect(panel.fieldConfig?.defaults.unit).toBeTruthy();
  expect(panel.description).toMatch(/^\*\*Normal:\*\* .{5,}\n\n\*\*If not:\*\* .{10,}$/s);
  expect(panel.targets?.length).toBeGreaterThan(0);
  expect(new Set(panel.targets?.map(({ refId }) => refId)).size).toBe(panel.targets?.length);
  for (const target of panel.targets ?? []) expect(target.datasource).toEqual(dataSource);
});

test('panels fill the width and do not lie on each other', () => {
  for (const [, dashboard] of all) {
    const cells = new Set<string>();
    for (const { gridPos, title } of panelsOf(dashboard)) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(cells.has(`${x},${y}`), title).toBe(false);
          cells.add(`${x},${y}`);
        }
    }
  }
});

test('each metric and label that a panel or a rule names is exported, and each recorded figure is recorded', async () => {
  const recorded = [...(await read('../prometheus/rules/recording.yml')).matchAll(/record: (\S+)/g)].map(
    ([, name]) => name,
  );
  const exported = createMetrics()
    .registry.getMetricsAsArray()
    .flatMap(({ name }) => [name, ...['_bucket', '_sum', '_count'].map((ending) => `${name}${ending}`)]);
  const rules = (await read('../prometheus/rules/recording.yml')) + (await read('../prometheus/rules/alerts.yml'));
  const texts = [rules, ...charts.flatMap(({ panel }) => (panel.targets ?? []).map(({ expr }) => expr))];
  // A name in a query: not a group, an alert or a label's value.
  const named = texts.flatMap((text) =>
    [...text.matchAll(/(?<![\w"-])penstock(?:_[a-z_]+|:[a-z0-9_:]+)/g)].map(([name]) => name),
  );
  expect(named.length).toBeGreaterThan(60);
  expect([...new Set(named)].filter((name) => ![...recorded, ...exported].includes(name))).toEqual([]);
});

test('each alert has its paragraph in docs/operations.md', async () => {
  const rules = await read('../prometheus/rules/alerts.yml');
  const alerts = [...rules.matchAll(/- alert: (\S+)/g)].map(([, name]) => name as string);
  expect(alerts.length).toBeGreaterThan(10);
  const headings = [...(await read('../../docs/operations.md')).matchAll(/^### (\S+)$/gm)].map(([, name]) => name);
  expect(headings).toEqual(expect.arrayContaining(alerts));
  for (const alert of alerts) expect(rules).toContain(`docs/operations.md#${alert.toLowerCase()}: `);
});
