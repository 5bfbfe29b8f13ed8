import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { findBrowser, launchBrowser, noBrowser, openPage, type WatchedPage } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { childrenOf, type FanoutView } from '../support/fanouts.ts';
import { answerText } from '../support/load.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { claude, nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** Fan-outs on the page at `/`, in a real browser, against the real processes. */
const executablePath = await findBrowser();
const pro = 'amazon.nova-pro-v1:0';
const shortNames: Record<string, string> = { [claude]: 'claude-sonnet-4-5', [nova]: 'nova-lite', [pro]: 'nova-pro' };
const names = Object.values(shortNames);
let browser: Browser;
let stack: Stack;
let api: ServiceProcess;

beforeAll(async () => {
  if (executablePath === undefined) return;
  browser = await launchBrowser(executablePath);
  const { lanes } = testLanes();
  stack = await startStack({
    router: 1,
    latency: 'drawn',
    lanes: { lanes: { ...lanes, 'nova-pro': { ...lanes['nova-lite'], models: [pro] } } },
    limits: testLimits,
  });
  api = stack.apis[0] as ServiceProcess;
});
beforeEach(({ skip }) => skip(executablePath === undefined, noBrowser));
afterEach(async () => {
  for (const context of browser?.contexts() ?? []) await context.close();
  await stack?.emulator.clearFaults();
  for (const model of [nova, claude, pro]) await stack?.emulator.resetModel(model);
});
afterAll(async () => {
  await browser?.close();
  await stack?.stop();
});

const withinMs = 60_000;
const after = (firstTokenMs: number) => ({ latency: { firstTokenMs, perTokenMs: 0, spread: 0 } }) as const;
const never = after(120_000);

async function visit(options: Parameters<typeof openPage>[1] = {}): Promise<WatchedPage> {
  const opened = await openPage(browser, options);
  opened.page.setDefaultTimeout(withinMs);
  await opened.page.goto(`${api.url}/`);
  await connected(opened.page);
  return opened;
}

const connected = (page: Page): Promise<void> => page.getByText('Connected').waitFor();
const part = (of: Locator, name: string): Locator => of.locator(`[data-part="${name}"]`);
const inState = (of: Locator, status: string): Locator => of.and(of.page().locator(`[data-status="${status}"]`));
const branch = (card: Locator, name: string): Locator =>
  card.getByRole('listitem').filter({ has: card.page().getByRole('heading', { name: new RegExp(`^${name}`) }) });

type Asked = { policy?: string; reduce?: string };

/** Ticks all three models, submits by keyboard, and gives back the card. */
async function ask(page: Page, prompt: string, { policy = 'all', reduce = 'collect' }: Asked): Promise<Locator> {
  await page.getByLabel('Model').selectOption(claude);
  for (const model of [nova, pro]) await page.getByLabel(shortNames[model] as string, { exact: true }).check();
  await page.getByLabel('Wait for').selectOption(policy);
  await page.getByLabel('Then').selectOption(reduce);
  await page.getByLabel('Prompt').fill(prompt);
  await page.getByLabel('Prompt').press('Control+Enter');
  const card = page.getByRole('article').filter({ has: page.getByRole('heading', { name: prompt, exact: true }) });
  await card.waitFor();
  return card;
}

/** Waits for the end, and expects each column, and what they came to, to be what REST answers. */
async function expectJoined(card: Locator): Promise<FanoutView> {
  await inState(card, 'succeeded').waitFor();
  const { status, output, ...job } = (await stack.job(await idOf(card))) as FanoutView;
  expect(status).toBe('succeeded');
  expect(output.branches.map(({ name }) => name)).toEqual(names);
  for (const { name, ...ended } of output.branches) {
    await inState(branch(card, name), ended.status).waitFor();
    expect(await part(branch(card, name), 'answer').textContent()).toBe(answerText(ended as never));
    expect(await part(branch(card, name), 'chosen').isVisible()).toBe(name === output.winner);
  }
  expect(await part(card, 'joined-text').textContent()).toBe(output.synthesis ?? output.reason ?? '');
  expect(await part(card, 'partial').isVisible()).toBe(output.partial === true);
  return { status, output, ...job };
}

const answeredBy = async (model: string): Promise<number> => (await stack.emulator.stats())[model]?.finished ?? 0;

const idOf = async (card: Locator): Promise<string> => String(await part(card, 'id').textContent());

/** Notes which branches had their answer each time the first card changed while it was not final. */
const recorder = `(() => {
  window.seen = [];
  new MutationObserver(() => {
    const card = document.querySelector('#cards article');
    if (card === null || card.dataset.status !== 'running') return;
    const answered = [...card.querySelectorAll('.branch[data-status="succeeded"]')].filter(
      (column) => column.querySelector('[data-part="answer"]').textContent !== '');
    if (window.seen.at(-1) !== answered.length) window.seen.push(answered.length);
  }).observe(document.getElementById('cards'), { subtree: true, childList: true, attributes: true, characterData: true });
})()`;

test('three branches arrive one after the other, a judge picks one, and a reload shows the same', async () => {
  await stack.emulator.setModel(nova, after(1_500));
  await stack.emulator.setModel(pro, after(4_000));
  // It also judges: the last of all.
  await stack.emulator.setModel(claude, after(6_500));
  const { page, complaints } = await visit({ colorScheme: 'light' });
  await page.evaluate(recorder);
  const card = await ask(page, 'Which is best? [tokens=60]', { reduce: 'judge' });
  const job = await expectJoined(card);
  expect(await page.evaluate('window.seen')).toEqual([0, 1, 2, 3]);
  expect(names).toContain(job.output.winner);
  expect(await part(card, 'joined-title').textContent()).toBe(`Chosen: ${job.output.winner}`);
  expect(await part(card, 'cost').textContent()).toMatch(/^\$0\.00/);
  expect(await part(card, 'tokens').textContent()).toMatch(/^[\d,]+ in, [\d,]+ out$/);
  const times = part(card, 'time');
  await eventually(async () => (await times.allTextContents()).every((time) => /^[\d.]+ s$/.test(time)), {
    timeoutMs: withinMs,
    what: 'each branch has its time',
  });
  const before = await times.allTextContents();

  await page.reload();
  await connected(page);
  expect((await expectJoined(card)).id).toBe(job.id);
  await eventually(async () => (await times.allTextContents()).join() === before.join(), {
    timeoutMs: withinMs,
    what: 'the times are there again',
  });
  expect(complaints).toEqual([]);
});

test('while the api is away branches end: afterwards all are shown, and the one answer made of them', async () => {
  const { page } = await visit();
  await stack.emulator.setModel(pro, never);
  await stack.emulator.setModel(claude, after(4_000));
  const card = await ask(page, 'Put together [tokens=40]', { policy: 'quorum', reduce: 'synthesize' });
  await inState(card, 'running').waitFor();
  const id = await idOf(card);
  const ends = await answeredBy(claude);
  api.signal('SIGKILL');
  await page.getByText('Reconnecting').waitFor();
  await eventually(async () => (await answeredBy(claude)) > ends, {
    timeoutMs: withinMs,
    what: 'a model has answered',
  });
  await api.start();
  await connected(page);
  const job = await expectJoined(card);
  expect(job.id).toBe(id);
  expect(job.output.synthesis?.length).toBeGreaterThan(0);
  expect(await part(card, 'joined-title').textContent()).toBe('One answer out of 2');
});

test('the first answer is enough: the others are shown as cancelled, and what that saved', async () => {
  for (const model of [claude, pro]) await stack.emulator.setModel(model, never);
  const { page } = await visit({ colorScheme: 'dark' });
  const card = await ask(page, 'Who is first? [tokens=30]', { policy: 'any' });
  const { output } = await expectJoined(card);
  expect(output.partial).toBe(true);
  for (const model of [claude, pro]) await inState(branch(card, shortNames[model] as string), 'cancelled').waitFor();
  expect(await part(card, 'joined-title').textContent()).toBe('1 of 3 answers');
  expect(await part(card, 'saved').textContent()).toBe(
    `${new Intl.NumberFormat('en').format(output.tokensSaved ?? 0)} tokens`,
  );
});

test('a branch that fails says why, and the others are joined without it', async () => {
  await stack.emulator.setFault({ modelId: pro, kind: 'validation' });
  const { page } = await visit();
  const card = await ask(page, 'One of you cannot [tokens=30]', {});
  const { output } = await expectJoined(card);
  expect(output.partial).toBe(true);
  expect(await part(branch(card, 'nova-pro'), 'problem').textContent()).toContain('validation');
  expect(await part(card, 'joined-title').textContent()).toBe('2 of 3 answers');
});

test('a fan-out is cancelled with its branches, on a telephone, stays so after a reload, and can be retried', async () => {
  for (const model of [nova, claude, pro]) await stack.emulator.setModel(model, never);
  const { page, complaints } = await visit({ viewport: { width: 390, height: 844 } });
  const hostile = `<img src=x onerror=document.title='owned'>`;
  const card = await ask(page, hostile, {});
  const allAre = (status: string) =>
    eventually(async () => (await inState(card.getByRole('listitem'), status).count()) === names.length, {
      timeoutMs: withinMs,
      what: `all branches are shown as ${status}`,
    });
  await allAre('running');
  await card.getByRole('button', { name: 'Cancel' }).click();
  await inState(card, 'cancelled').waitFor();
  await allAre('cancelled');
  expect((await stack.job(await idOf(card))).status).toBe('cancelled');
  for (const child of await childrenOf(stack, await idOf(card))) expect(child.status).toBe('cancelled');
  await page.reload();
  await inState(card, 'cancelled').waitFor();
  await allAre('cancelled');

  await card.getByRole('button', { name: 'Retry' }).click();
  await inState(card, 'running').waitFor();
  await allAre('running');
  await card.getByRole('button', { name: 'Cancel' }).click();
  await inState(card, 'cancelled').waitFor();
  await allAre('cancelled');
  expect(await page.locator('main img').count()).toBe(0);
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
  expect(complaints).toEqual([]);
});
