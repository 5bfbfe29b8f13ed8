import { callApi } from './api.js';
import { readBatchForm } from './batch-state.js';
import { showProblem } from './problem-view.js';

/** A large dataset over a slow line. */
const uploadWithinMs = 3_600_000;

/**
 * The form that uploads a dataset and starts a batch with it.
 * @param {{ form: HTMLFormElement, file: HTMLInputElement, pipeline: HTMLInputElement, maxCost: HTMLInputElement,
 *   problem: HTMLElement, button: HTMLButtonElement, key: () => string,
 *   onStarted: (batch: import('./batch-state.js').Batch) => void }} options
 */
export function createBatchForm({ form, file, pipeline, maxCost, problem, button, key, onStarted }) {
  const label = button.textContent;
  const fields = { file, pipeline, maxCost };

  async function run() {
    const chosen = file.files?.[0];
    const asked = readBatchForm({ fileName: chosen?.name, pipeline: pipeline.value, maxCost: maxCost.value });
    if (!asked.ok || chosen === undefined) {
      showProblem(problem, { title: asked.ok ? 'Choose a dataset first' : asked.title });
      return fields[asked.ok ? 'file' : asked.field].focus();
    }
    showProblem(problem, undefined);
    const uploaded = await callApi(key(), `/v1/files?name=${encodeURIComponent(chosen.name)}`, {
      method: 'POST',
      headers: { 'content-type': asked.contentType },
      body: chosen,
      withinMs: uploadWithinMs,
    });
    if (uploaded.kind !== 'ok') return refuse(uploaded);
    const started = await callApi(key(), '/v1/batches', {
      method: 'POST',
      // A file is uploaded for one batch: sent twice, it is one all the same.
      headers: { 'content-type': 'application/json', 'idempotency-key': uploaded.body.id },
      body: JSON.stringify({ input: uploaded.body.id, ...asked.choices }),
    });
    if (started.kind !== 'ok') return refuse(started);
    form.reset();
    onStarted(started.body);
  }

  /** @param {Exclude<import('./api.js').Answer, { kind: 'ok' }>} answer */
  function refuse(answer) {
    showProblem(problem, answer.kind === 'problem' ? answer.problem : { title: 'The server does not answer' });
  }

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    button.textContent = 'Uploading';
    await run();
    button.textContent = label;
    button.disabled = false;
  });
}
