import { BranchColumn } from './branch-column.js';
import { CardActions } from './card-actions.js';
import { isReducing, joinedOf, joinedText } from './fanout-state.js';
import { formatCost, formatCount, formatMs } from './format.js';
import { asProblem, nothing, showNote, statusNames, tokensText } from './job-card.js';
import { isFinal, timingsOf } from './job-state.js';
import { showProblem } from './problem-view.js';
import { fromTemplate, setText } from './template-parts.js';

/** @typedef {import('./fanout-state.js').FanoutState} FanoutState */

/** The card of a fan-out: its branches side by side, then what they came to. All of it is text, as in a job's card. */
export class FanoutCard {
  #part;
  #actions;
  /** By name. @type {Map<string, BranchColumn>} */
  #columns = new Map();
  /** @type {FanoutState | undefined} */
  #shown;

  /** @param {import('./card-actions.js').CardOptions} options */
  constructor(options) {
    const { root, part } = fromTemplate('fanout-card');
    this.root = root;
    this.#part = part;
    const text = () => (this.#shown === undefined ? '' : joinedText(this.#shown));
    this.#actions = new CardActions(part, { ...options, text, shownIn: part('joined') });
  }

  /** Shows the fan-out as it stands. @param {FanoutState} state @param {number} nowMs */
  render(state, nowMs) {
    const { id, status, prompt, priority, branches } = state;
    this.#shown = state;
    this.root.dataset.status = status;
    this.#write('status', isReducing(state) ? 'Joining' : statusNames[status]);
    this.#write('plan', `${branches.length} branches`);
    this.#write('priority', priority === 'normal' ? '' : `${priority} priority`);
    this.#write('prompt', prompt || `Fan-out ${id}`);
    this.#part('prompt').title = prompt;
    const { winner } = joinedOf(state);
    for (const { name, state: branch } of branches) {
      const isWinner = name === winner;
      this.#column(name).render({ name, state: branch, isOver: isFinal(status), isWinner }, nowMs);
    }
    this.#actions.render(state, joinedText(state) !== '');
    this.#showJoined(state);
    this.#showEnd(state);
    this.#showTotal(state, nowMs);
  }

  /** Only the times, which go on by themselves. @param {number} nowMs */
  tick(nowMs) {
    if (this.#shown !== undefined && !isFinal(this.#shown.status)) this.#showTotal(this.#shown, nowMs);
    for (const column of this.#columns.values()) column.tick(nowMs);
  }

  allowButtons() {
    this.#actions.allowButtons();
  }

  /** @param {string} name */
  #column(name) {
    const known = this.#columns.get(name);
    if (known !== undefined) return known;
    const column = new BranchColumn();
    this.#columns.set(name, column);
    this.#part('branches').append(column.root);
    return column;
  }

  /** @param {string} name @param {string} text */
  #write(name, text) {
    setText(this.#part(name), text);
  }

  /** @param {FanoutState} state */
  #showJoined(state) {
    const { synthesis, winner, reason, partial } = joinedOf(state);
    this.#part('joined').hidden = isFinal(state.status) && state.status !== 'succeeded';
    this.#write('joined-title', titleOf(state));
    this.#part('partial').hidden = partial !== true;
    const text = synthesis ?? (winner === undefined ? '' : (reason ?? ''));
    const element = this.#part('joined-text');
    element.hidden = text === '';
    setText(element, text);
    element.tabIndex = element.scrollHeight > element.clientHeight ? 0 : -1;
  }

  /** @param {FanoutState} state @param {number} nowMs */
  #showTotal(state, nowMs) {
    this.#write('total', formatMs(timingsOf(state, nowMs).totalMs));
  }

  /** @param {FanoutState} state */
  #showEnd(state) {
    const { job, status, outputOmitted } = state;
    const { usage, costUsd, error, outputUrl } = job ?? {};
    const { tokensSaved } = joinedOf(state);
    this.#write('tokens', tokensText(usage));
    this.#write('cost', costUsd === undefined ? nothing : formatCost(costUsd));
    this.#part('saved-item').hidden = tokensSaved === undefined;
    this.#write('saved', tokensSaved === undefined ? '' : `${formatCount(tokensSaved)} tokens`);
    const gone = status === 'gone' ? { title: 'The server has no such job any more' } : undefined;
    showProblem(this.#part('problem'), status === 'failed' && error ? asProblem(error) : gone);
    showNote(this.#part('note'), { url: outputUrl, outputOmitted });
  }
}

/** What there is, or what it waits for. @param {FanoutState} state */
function titleOf(state) {
  const { synthesis, winner } = joinedOf(state);
  const { branches, plan, status } = state;
  if (status === 'succeeded') {
    if (winner !== undefined) return `Chosen: ${winner}`;
    const answers = branches.filter((branch) => branch.state.status === 'succeeded').length;
    return synthesis === undefined
      ? `${answers} of ${branches.length} answers`
      : `One answer out of ${answers === 1 ? 'one' : answers}`;
  }
  if (isReducing(state)) return plan.reduce === 'judge' ? 'A judge reads the answers' : 'One answer is being written';
  if (plan.policy === 'any') return 'Waits for the first answer';
  if (plan.policy === 'quorum') return `Waits for ${plan.count} of ${branches.length} answers`;
  return 'Waits for all answers';
}
