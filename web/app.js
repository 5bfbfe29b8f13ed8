import { callApi } from './api.js';
import { createBatchForm } from './batch-form.js';
import { isBatchFrame } from './batch-state.js';
import { Batches } from './batches.js';
import { Connection } from './connection.js';
import { createFanoutForm } from './fanout-form.js';
import { isSendableKey } from './format.js';
import { Jobs } from './jobs.js';
import { createLanesPanel } from './lanes-panel.js';
import { showProblem } from './problem-view.js';
import { recall, remember } from './remembered.js';

/** The page: its form, its key, its one connection; `jobs.js` has what becomes of what is submitted. */

/** @typedef {import('./lanes-panel.js').Lane} Lane */

const localKey = 'local-demo-key';
const lanesEveryMs = 2_000;
/** A key is tried when nobody has typed for so long. */
const keySettlesMs = 500;

/** @template {HTMLElement} T @param {string} id @param {new () => T} kind @returns {T} */
function byId(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page has no ${id}`);
  return element;
}

const form = byId('composer', HTMLFormElement);
const prompt = byId('prompt', HTMLTextAreaElement);
const model = byId('model', HTMLSelectElement);
const keyField = byId('key', HTMLInputElement);
const problem = byId('problem', HTMLElement);
const keyProblem = byId('key-problem', HTMLElement);
const indicator = byId('connection', HTMLElement);
const retry = byId('retry', HTMLButtonElement);

keyField.value = recall('key') ?? localKey;
const key = () => keyField.value.trim();

const lanesPanel = createLanesPanel({ list: byId('lanes', HTMLElement), note: byId('lanes-note', HTMLElement) });
const fanoutForm = createFanoutForm({
  also: byId('also', HTMLElement),
  list: byId('also-models', HTMLElement),
  options: byId('fanout-options', HTMLElement),
  policy: byId('policy', HTMLSelectElement),
  quorum: byId('quorum', HTMLInputElement),
  quorumField: byId('quorum-field', HTMLElement),
  reduce: byId('reduce', HTMLSelectElement),
});
let isLive = false;
/** With this key: what follows is a reconnect. */
let wasLive = false;
let isRestored = false;
/** Of the last connection that was there. */
let liveKey = '';

const connection = new Connection({
  check,
  onLive: () => {
    remember('key', key());
    jobs.onLive();
    batches.onLive({ isOtherKey: liveKey !== key() });
    liveKey = key();
    if (!isRestored) void jobs.restore();
    isRestored = true;
  },
  onFrame: (frame) => (isBatchFrame(frame) ? batches.onFrame(frame) : jobs.onFrame(frame)),
  onState: (state) => {
    isLive = state === 'live';
    wasLive = state === 'refused' ? false : wasLive || isLive;
    const waiting = wasLive ? 'Reconnecting' : 'Connecting';
    const texts = { live: 'Connected', connecting: waiting, away: waiting, refused: 'Key refused' };
    indicator.dataset.state = state === 'away' || (state === 'connecting' && wasLive) ? 'away' : state;
    byId('connection-text', HTMLElement).textContent = texts[state];
    retry.hidden = indicator.dataset.state !== 'away';
  },
});

const jobs = new Jobs({
  list: byId('cards', HTMLElement),
  key,
  send: (frame) => connection.send(frame),
  onProblem: (what) => showProblem(problem, what),
  announce: (text) => {
    byId('announcer', HTMLElement).textContent = text;
  },
  onCount: ({ all, unfinished }) => {
    byId('empty', HTMLElement).hidden = all > 0;
    byId('jobs-head', HTMLElement).hidden = all === 0;
    byId('clear', HTMLElement).hidden = unfinished === all;
    byId('jobs-count', HTMLElement).textContent = unfinished === 0 ? '' : `${unfinished} under way`;
    document.title = unfinished === 0 ? 'Penstock' : `(${unfinished}) Penstock`;
  },
});

const batches = new Batches({
  list: byId('batches', HTMLElement),
  note: byId('batches-note', HTMLElement),
  key,
  send: (frame) => connection.send(frame),
  isLive: () => isLive,
  announce: (text) => {
    byId('announcer', HTMLElement).textContent = text;
  },
});
createBatchForm({
  form: byId('batch-form', HTMLFormElement),
  file: byId('batch-file', HTMLInputElement),
  pipeline: byId('batch-pipeline', HTMLInputElement),
  maxCost: byId('batch-cost', HTMLInputElement),
  problem: byId('batch-problem', HTMLElement),
  button: byId('batch-run', HTMLButtonElement),
  key,
  onStarted: (batch) => batches.add(batch),
});

/** Whether the key is taken; shows the lanes, and offers their models, on the way. */
async function check() {
  if (!isSendableKey(key())) {
    showKeyProblem('A key is made of letters, digits and - . _ ~ only.');
    return 'refused';
  }
  const answer = await callApi(key(), '/v1/lanes');
  if (answer.kind === 'ok') {
    showKeyProblem('');
    showLanes(answer.body.items);
    return 'ok';
  }
  // Others say that the server cannot now, not that it will not.
  if (answer.kind === 'away' || (answer.status !== 401 && answer.status !== 403)) return 'away';
  const { title, detail } = answer.problem;
  showKeyProblem(detail === undefined ? title : `${title}: ${detail}`);
  return 'refused';
}

/** @param {string} text */
function showKeyProblem(text) {
  keyProblem.hidden = text === '';
  keyProblem.textContent = text;
  keyField.setAttribute('aria-invalid', String(text !== ''));
}

/** @param {readonly Lane[]} lanes */
function showLanes(lanes) {
  lanesPanel.render(lanes);
  const models = lanes.filter(({ operations }) => operations.includes('converse')).flatMap((lane) => lane.models);
  const offered = [...model.options].map((option) => option.value);
  if (models.join('\n') === offered.join('\n')) return;
  const chosen = offered.length > 1 || model.value !== '' ? model.value : recall('model');
  model.replaceChildren(...models.map((id) => new Option(id, id, false, id === chosen)));
  model.disabled = models.length === 0;
  if (models.length === 0) model.append(new Option('No lane has a model to talk to', ''));
  offerOthers();
}

function offerOthers() {
  const models = [...model.options].map((option) => option.value).filter((id) => id !== '');
  fanoutForm.offer(models, model.value);
}

async function refreshLanes() {
  if (!document.hidden && isLive) {
    const answer = await callApi(key(), '/v1/lanes');
    if (answer.kind === 'ok') showLanes(answer.body.items);
  }
  setTimeout(refreshLanes, lanesEveryMs);
}

function submit() {
  const text = prompt.value.trim();
  if (text === '' || model.value === '') {
    showProblem(problem, { title: text === '' ? 'Type a prompt first' : 'No model can be chosen yet' });
    return (text === '' ? prompt : model).focus();
  }
  showProblem(problem, undefined);
  remember('model', model.value);
  const priority = String(new FormData(form).get('priority'));
  const plan = fanoutForm.plan(model.value);
  if (plan === undefined) jobs.submit({ model: model.value, prompt: text, priority });
  else jobs.submitFanout({ plan, prompt: text, priority });
  // What is typed next takes its place; submitting again asks another model the same.
  if (document.activeElement === prompt) prompt.select();
}

model.addEventListener('change', offerOthers);
form.addEventListener('submit', (event) => {
  event.preventDefault();
  submit();
});
form.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  submit();
});
byId('tries', HTMLElement).addEventListener('click', ({ target }) => {
  if (!(target instanceof HTMLButtonElement)) return;
  prompt.value = target.textContent;
  prompt.focus();
});
byId('clear', HTMLButtonElement).addEventListener('click', () => {
  jobs.clearFinished();
  prompt.focus();
});

let keyTimer = 0;
keyField.addEventListener('input', () => {
  clearTimeout(keyTimer);
  keyTimer = setTimeout(() => connection.connect(key()), keySettlesMs);
});
retry.addEventListener('click', () => connection.retryNow());
addEventListener('online', () => connection.retryNow());
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) connection.retryNow();
});

if (/Mac|iPhone|iPad/.test(navigator.userAgent)) byId('submit-keys', HTMLElement).textContent = '⌘ Enter';
// On a touch screen the keyboard would hide the page at once.
if (matchMedia('(hover: hover)').matches) prompt.focus();
connection.connect(key());
void refreshLanes();
