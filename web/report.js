import { callApi } from './api.js';
import { showProblem } from './problem-view.js';
import { recall } from './remembered.js';

/**
 * `/report.html#<batch>/<step>`: one report, in a frame in which nothing of it can run. What models and data say is in it.
 * The key that the page was used with last reads it.
 */

const localKey = 'local-demo-key';
const note = /** @type {HTMLElement} */ (document.getElementById('note'));
const problem = /** @type {HTMLElement} */ (document.getElementById('problem'));
const frame = /** @type {HTMLIFrameElement} */ (document.getElementById('report'));

async function show() {
  const [batchId = '', step = ''] = location.hash.slice(1).split('/');
  const path = `/v1/batches/${batchId}/report/${step}`;
  const answer = await callApi(recall('key') ?? localKey, path, { as: 'blob' });
  note.hidden = true;
  if (answer.kind !== 'ok')
    return showProblem(problem, answer.kind === 'problem' ? answer.problem : { title: 'The server does not answer' });
  document.title = `${decodeURIComponent(step)} · Penstock`;
  frame.src = URL.createObjectURL(answer.body);
  frame.hidden = false;
}

// Another report in the same tab.
addEventListener('hashchange', () => location.reload());
void show();
