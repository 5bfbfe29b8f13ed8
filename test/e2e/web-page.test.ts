import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { findBrowser, launchBrowser, noBrowser, openPage, type WatchedPage } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { answerText } from '../support/load.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { claude, nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** The page at `/`, in a real browser, against the real processes; the model's times are drawn. */
const executablePath = await findBrowser();
let browser: Browser;
let stack: Stack;
let api: ServiceProcess;

beforeAll(async () => {
  if (executablePath === undefined) return;
  browser = await launchBrowser(executablePath);
  stack = await startStack({
    latency: 'drawn',
    lanes: testLanes({ defaultMaxTokens: 8_000 }),
    limits: testLimits,
  });
  api = stack.apis[0] as ServiceProcess;
});
beforeEach(({ skip }) => skip(executablePath === undefined, noBrowser));
afterEach(async () => {
  for (const context of browser?.contexts() ?? []) await context.close();
});
afterAll(async () => {
  await browser?.close();
  await stack?.stop();
});

const withinMs = 30_000;

async function visit(options: Parameters<typeof openPage>[1] = {}): Promise<WatchedPage> {
  const opened = await openPage(browser, options);
  opened.page.setDefaultTimeout(withinMs);
  await opened.page.goto(`${api.url}/`);
  await connected(opened.page);
  return opened;
}

const connected = (page: Page): Promise<void> => page.getByText('Connected').waitFor();
const part = (card: Locator, name: string): Locator => card.locator(`[data-part="${name}"]`);
const inState = (card: Locator, status: string): Locator => card.and(card.page().locator(`[data-status="${status}"]`));

/** Types a prompt, submits it by keyboard, and gives back its card. */
async function submit(page: Page, prompt: string, { model = nova }: { model?: string } = {}): Promise<Locator> {
  await page.getByLabel('Model').selectOption(model);
  await page.getByLabel('Prompt').fill(prompt);
  await page.getByLabel('Prompt').press('Control+Enter');
  const card = page.getByRole('article').filter({ has: page.getByRole('heading', { name: prompt, exact: true }) });
  await card.waitFor();
  return card;
}

/** Waits until the card shows an end, and expects what it shows to be what REST answers. */
async function expectAnswer(card: Locator): Promise<void> {
  await inState(card, 'succeeded').waitFor();
  const job = await stack.job(String(await part(card, 'id').textContent()));
  expect(job.status).toBe('succeeded');
  expect(answerText(job).length).toBeGreaterThan(0);
  expect(await part(card, 'answer').textContent()).toBe(answerText(job));
}

/** Waits until some text of the answer is there. */
const someText = (card: Locator): Promise<unknown> =>
  eventually(async () => ((await part(card, 'answer').textContent()) ?? '').length > 40, {
    timeoutMs: withinMs,
    what: 'the first text is there',
  });

/** Notes each state and each length of the text that the first card shows, in order. */
const recorder = `(() => {
  window.seen = [];
  new MutationObserver(() => {
    const card = document.querySelector('#cards article');
    if (card === null) return;
    const status = card.dataset.status;
    const length = card.querySelector('[data-part="answer"]').textContent.length;
    const last = window.seen.at(-1);
    if (last?.status !== status || last?.length !== length) window.seen.push({ status, length });
  }).observe(document.getElementById('cards'), { subtree: true, childList: true, attributes: true, characterData: true });
})()`;

test('a prompt is queued, runs, streams and ends as REST tells it, in light and dark, with nothing from elsewhere', async () => {
  const { page, complaints, requests } = await visit({ colorScheme: 'light' });
  const light = await page.evaluate(ground);
  await page.evaluate(recorder);
  const card = await submit(page, 'Tell of water [tokens=400]');
  await expectAnswer(card);

  const seen = (await page.evaluate('window.seen')) as { status: string; length: number }[];
  const statuses = seen.map(({ status }) => status);
  expect([...new Set(statuses)]).toEqual(['sending', 'queued', 'running', 'succeeded']);
  expect(statuses).toEqual(statuses.toSorted((a, b) => order.indexOf(a) - order.indexOf(b)));
  const lengths = seen.filter(({ status }) => status === 'running').map(({ length }) => length);
  expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
  expect(new Set(lengths).size).toBeGreaterThan(5);

  for (const name of ['queued', 'first', 'model-time', 'total'])
    expect(await part(card, name).textContent()).toMatch(/^[\d.]+ m?s$/);
  expect(await part(card, 'tokens').textContent()).toMatch(/^\d+ in, 400 out$/);
  expect(await part(card, 'cost').textContent()).toMatch(/^\$0\.00/);
  expect(await part(card, 'attempts').textContent()).toBe('1');
  const id = await part(card, 'id').textContent();
  await part(card, 'id').click();
  expect(await part(card, 'curl').textContent()).toBe(
    `curl -s -H 'Authorization: Bearer local-demo-key' ${api.url}/v1/jobs/${id}`,
  );

  await page.emulateMedia({ colorScheme: 'dark' });
  const dark = await page.evaluate(ground);
  expect(dark).not.toBe(light);
  await expectAnswer(await submit(page, 'Again, in the dark', { model: claude }));
  expect(await page.getByRole('article').count()).toBe(2);

  expect(complaints).toEqual([]);
  expect(requests.length).toBeGreaterThan(5);
  expect(requests.filter((url) => new URL(url).host !== new URL(api.url).host)).toEqual([]);
});

const ground = 'getComputedStyle(document.body).backgroundColor';
const order = ['sending', 'queued', 'running', 'succeeded'];

test('a job that runs is cancelled, keeps its text, and can be retried', async () => {
  const { page, complaints } = await visit();
  const card = await submit(page, 'Talk at length [tokens=8000]');
  await someText(card);
  await card.getByRole('button', { name: 'Cancel' }).click();
  await inState(card, 'cancelled').waitFor();
  expect((await part(card, 'answer').textContent())?.length).toBeGreaterThan(40);
  const id = String(await part(card, 'id').textContent());
  expect((await stack.job(id)).status).toBe('cancelled');
  expect(await card.getByRole('button', { name: 'Cancel' }).isVisible()).toBe(false);

  await card.getByRole('button', { name: 'Retry' }).click();
  await inState(card, 'running').waitFor();
  await someText(card);
  await card.getByRole('button', { name: 'Cancel' }).click();
  await inState(card, 'cancelled').waitFor();
  expect(await stack.job(id)).toMatchObject({ status: 'cancelled', generation: 2 });
  expect(complaints).toEqual([]);
});

test('a wrong key is told, also one that cannot be sent, and the right one connects', async () => {
  const { page } = await visit();
  const key = page.getByLabel('API key');
  await key.fill('no-such-key');
  await page.getByText('Key refused').waitFor();
  expect(await page.locator('#key-problem').textContent()).toContain('An API key is needed');
  await key.fill('käse');
  await page.getByText('made of letters').waitFor();
  await page.getByText('Key refused').waitFor();
  await key.fill('local-demo-key');
  await connected(page);
  expect(await page.locator('#key-problem').isVisible()).toBe(false);
  await expectAnswer(await submit(page, 'With the right key'));
});

test('a job that is refused leaves the reason, with the place of each wrong value, and no card', async () => {
  const { page } = await visit();
  // A model that the lanes had a moment ago.
  const [lane] = ((await stack.request('GET', '/v1/lanes')).body as { items: object[] }).items;
  await page.route('**/v1/lanes', async (route) => {
    await route.fulfill({ json: { items: [{ ...lane, models: ['nobody.knows-it'] }] } });
  });
  await page.getByRole('option', { name: 'nobody.knows-it' }).waitFor({ state: 'attached' });
  await page.getByLabel('Model').selectOption('nobody.knows-it');
  await page.getByLabel('Prompt').fill('Who are you?');
  await page.getByRole('button', { name: 'Submit' }).click();
  const problem = page.locator('#problem');
  await problem.waitFor();
  expect(await problem.locator('strong').textContent()).toBe('The request has wrong values');
  expect(await problem.locator('li code').allTextContents()).toEqual([expect.stringMatching(/^(job\.)?model$/)]);
  expect(await page.getByRole('article').count()).toBe(0);
  expect(await page.getByLabel('Prompt').inputValue()).toBe('Who are you?');
});

test('while the api is away results come in and prompts are typed: afterwards all are shown, each once', async () => {
  const { page } = await visit();
  const running = await submit(page, 'Goes on while nobody listens [tokens=600]');
  await someText(running);
  const finishedBefore = await finished();
  api.signal('SIGKILL');
  await page.getByText('Reconnecting').waitFor();
  const unsent = await submit(page, 'Typed while the server was away');
  await eventually(async () => (await finished()) > finishedBefore, {
    timeoutMs: withinMs,
    what: 'the model has answered the job that ran',
  });
  expect(await running.getAttribute('data-status')).toBe('running');
  expect(await unsent.getAttribute('data-status')).toBe('sending');
  await api.start();
  await connected(page);
  await expectAnswer(running);
  await expectAnswer(unsent);

  await page.reload();
  await connected(page);
  for (const card of [running, unsent]) await expectAnswer(card);
  const ids = await page.getByRole('article').locator('[data-part="id"]').allTextContents();
  const { body } = await stack.request('GET', '/v1/jobs?limit=2');
  expect((body as { items: { id: string }[] }).items.map(({ id }) => id)).toEqual(ids);
});

async function finished(): Promise<number> {
  return (await stack.emulator.stats())[nova]?.finished ?? 0;
}

test('a prompt that is markup stays text, in the page and in the answer that quotes it', async () => {
  const { page, complaints, requests } = await visit({ viewport: { width: 360, height: 740 } });
  const hostile = `<img src=x onerror=document.title='owned'> <script>document.title='owned'</script>`;
  const card = await submit(page, hostile);
  await expectAnswer(card);
  expect(await part(card, 'prompt').textContent()).toBe(hostile);
  expect(await part(card, 'answer').textContent()).toContain('<img src=x');
  expect(await page.locator('main img, main script').count()).toBe(0);
  expect(await page.title()).toBe('Penstock');
  expect(requests.filter((url) => new URL(url).pathname === '/x')).toEqual([]);
  expect(complaints).toEqual([]);
  // On a telephone nothing is wider than the screen.
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
});
