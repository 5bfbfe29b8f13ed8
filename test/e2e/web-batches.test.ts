import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { repository } from '../../local/child.ts';
import { findBrowser, launchBrowser, noBrowser, openPage, type WatchedPage } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** Batches on the page at `/`, in a real browser, against the real processes. */
const executablePath = await findBrowser();
let browser: Browser;
let stack: Stack;
let api: ServiceProcess;
let configDir: string;

const label = {
  name: 'label',
  type: 'inference',
  model: nova,
  input: {
    messages: [{ role: 'user', content: [{ text: "{% 'Good or bad? ' & $record.text %}" }] }],
    inferenceConfig: { maxTokens: 40 },
  },
};
const pipelines = {
  labels: { steps: [label] },
  reviews: {
    steps: [
      label,
      {
        name: 'products',
        type: 'reduce',
        dependsOn: ['label'],
        groupBy: '{% $record.product %}',
        model: nova,
        instructions: 'Sum up',
      },
      {
        name: 'weekly',
        type: 'report',
        dependsOn: ['products'],
        title: 'The week',
        body: 'Of <script>document.title = "owned"</script> {% $join($steps.products.key, ", ") %}',
      },
    ],
  },
};

beforeAll(async () => {
  if (executablePath === undefined) return;
  configDir = await mkdtemp(join(tmpdir(), 'penstock-web-batches-'));
  await cp(join(repository, 'config'), configDir, { recursive: true });
  await mkdir(join(configDir, 'pipelines'), { recursive: true });
  for (const [name, pipeline] of Object.entries(pipelines))
    await writeFile(join(configDir, 'pipelines', `${name}.json`), JSON.stringify(pipeline));
  browser = await launchBrowser(executablePath);
  stack = await startStack({ configDir, scheduler: 1, lanes: testLanes(), limits: testLimits });
  api = stack.apis[0] as ServiceProcess;
});
beforeEach(({ skip }) => skip(executablePath === undefined, noBrowser));
afterEach(async () => {
  for (const context of browser?.contexts() ?? []) await context.close();
  await stack?.emulator.clearFaults();
  await stack?.emulator.resetModel(nova);
});
afterAll(async () => {
  await browser?.close();
  await stack?.stop();
  if (configDir) await rm(configDir, { recursive: true, force: true });
});

const withinMs = 60_000;
const never = { latency: { firstTokenMs: 120_000, perTokenMs: 0, spread: 0 } } as const;
const part = (of: Locator, name: string): Locator => of.locator(`[data-part="${name}"]`);
const inState = (of: Locator, status: string): Locator => of.and(of.page().locator(`[data-status="${status}"]`));
const rowOf = (page: Page, id: string): Locator => page.locator('#batches > li').filter({ hasText: id });
const idOf = async (row: Locator): Promise<string> => String(await part(row, 'id').textContent());
const read = async (id: string) => (await stack.request('GET', `/v1/batches/${id}`)).body as Batch;

interface Batch {
  id: string;
  status: string;
  generation: number;
  counts: { total: number; succeeded: number; failed: number };
}

async function visit(options: Parameters<typeof openPage>[1] = {}): Promise<WatchedPage> {
  const opened = await openPage(browser, options);
  opened.page.setDefaultTimeout(withinMs);
  await opened.page.goto(`${api.url}/`);
  await opened.page.getByText('Connected').waitFor();
  return opened;
}

/** Fills the form in and sends it; gives back the row that comes. */
async function run(
  page: Page,
  { pipeline, records }: { pipeline: string; records: readonly object[] },
): Promise<Locator> {
  const form = page.locator('#batch-form');
  if (!(await form.isVisible())) await page.getByText('Run a batch').click();
  const buffer = Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  await page.getByLabel('Dataset').setInputFiles({ name: 'reviews.jsonl', mimeType: '', buffer });
  await page.getByLabel('Pipeline').fill(pipeline);
  const answering = page.waitForResponse(
    (response) => response.request().method() === 'POST' && response.url().endsWith('/v1/batches'),
  );
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  const row = rowOf(page, ((await (await answering).json()) as Batch).id);
  await row.waitFor();
  return row;
}

const reviews = (count: number): object[] =>
  Array.from({ length: count }, (_, n) => ({
    id: `r${n}`,
    product: n % 2 === 0 ? 'kettle' : 'toaster',
    text: `Review ${n}`,
  }));

test('a dataset is chosen, run, followed to its end, and its output and report are opened', async () => {
  const { page, complaints, requests } = await visit();
  const row = await run(page, { pipeline: 'reviews', records: reviews(12) });
  await inState(row, 'succeeded').waitFor();
  const batch = await read(await idOf(row));
  expect(batch).toMatchObject({ status: 'succeeded', counts: { total: 12, succeeded: 12, failed: 0 } });
  expect(await part(row, 'title').textContent()).toBe('reviews');
  expect(await part(row, 'records').textContent()).toBe('12 of 12 records');
  expect(await part(row, 'bar').getAttribute('aria-valuenow')).toBe('100');
  expect(await part(row, 'tokens').textContent()).toMatch(/^[\d,]+ tokens$/);
  expect(await part(row, 'cost').textContent()).toMatch(/^\$0\.0/);
  expect(await part(row, 'steps').getByRole('listitem').allTextContents()).toEqual([
    'label succeeded',
    'products succeeded',
    'weekly succeeded',
  ]);

  const downloading = page.waitForEvent('download').catch(async () => {
    throw new Error(`no download: ${await part(row, 'problem').textContent()}`);
  });
  await row.getByRole('button', { name: 'Output' }).click();
  const lines = (await readFile(await (await downloading).path(), 'utf8')).trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).id)).toEqual(reviews(12).map((_, n) => `r${n}`));
  expect(complaints).toEqual([]);
  expect(requests.filter((url) => !url.startsWith('blob:') && new URL(url).host !== new URL(api.url).host)).toEqual([]);

  const opening = page.context().waitForEvent('page');
  await row.getByRole('link', { name: 'Report' }).click();
  const tab = await opening;
  const report = tab.frameLocator('#report');
  await report.getByText('The week').first().waitFor();
  await report.getByText('kettle, toaster').waitFor();
  expect(await tab.locator('#report').getAttribute('sandbox')).toBe('');
  expect(await tab.title()).toBe('weekly · Penstock');
});

test('a batch that runs is cancelled, stays so after a reload, and a retry does what is left', async () => {
  await stack.emulator.setModel(nova, never);
  const { page, complaints } = await visit({ viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
  const row = await run(page, { pipeline: 'labels', records: reviews(6) });
  await inState(row, 'running').waitFor();
  await row.getByRole('button', { name: 'Cancel' }).click();
  await inState(row, 'cancelled').waitFor();
  const id = await idOf(row);
  expect((await read(id)).status).toBe('cancelled');
  await page.reload();
  await inState(rowOf(page, id), 'cancelled').waitFor();
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);

  await stack.emulator.resetModel(nova);
  await row.getByRole('button', { name: 'Retry' }).click();
  await inState(row, 'succeeded').waitFor();
  expect(await read(id)).toMatchObject({ generation: 2, counts: { succeeded: 6 } });
  expect(complaints).toEqual([]);
});

test('what others start is shown, and its end too when the api was away at that time', async () => {
  const { page } = await visit();
  await stack.emulator.setModel(nova, { latency: { firstTokenMs: 12_000, perTokenMs: 0, spread: 0 } });
  const body = reviews(4)
    .map((record) => JSON.stringify(record))
    .join('\n');
  const headers = { authorization: 'Bearer local-demo-key', 'content-type': 'application/jsonl' };
  const upload = await fetch(`${api.url}/v1/files?name=r.jsonl`, { method: 'POST', headers, body });
  const { id: input } = (await upload.json()) as { id: string };
  const { id } = (await stack.request('POST', '/v1/batches', { body: { input, pipeline: 'labels' } })).body as Batch;
  const row = rowOf(page, id);
  await inState(row, 'running').waitFor();
  api.signal('SIGKILL');
  await page.getByText('Reconnecting').waitFor();
  const answered = async (): Promise<number> => (await stack.emulator.stats())[nova]?.finished ?? 0;
  const before = await answered();
  await eventually(async () => (await answered()) > before, { timeoutMs: withinMs, what: 'the model goes on' });
  await api.start();
  await inState(row, 'succeeded').waitFor();
  expect(await part(row, 'records').textContent()).toBe('4 of 4 records');
});

test('what cannot be run is refused with the reason, and leaves no row', async () => {
  const { page } = await visit();
  const count = async (): Promise<number> =>
    ((await stack.request('GET', '/v1/batches?limit=20')).body as { items: Batch[] }).items.length;
  const before = await count();
  await page
    .locator('#batches > li')
    .nth(before - 1)
    .waitFor();
  await page.getByText('Run a batch').click();
  const problem = page.locator('#batch-problem');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  expect(await problem.textContent()).toBe('Choose a dataset first');
  await page.getByLabel('Dataset').setInputFiles({ name: 'r.jsonl', mimeType: '', buffer: Buffer.from('{"id":1}\n') });
  await page.getByLabel('Pipeline').fill('no-such-pipeline');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await problem.getByText('The request has wrong values').waitFor();
  expect(await problem.textContent()).toContain('pipeline');
  expect(await page.getByLabel('Pipeline').inputValue()).toBe('no-such-pipeline');
  expect(await count()).toBe(before);
  expect(await page.locator('#batches > li').count()).toBe(before);
});
