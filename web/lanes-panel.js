import { formatCount } from './format.js';
import { fromTemplate, setText } from './template-parts.js';

/**
 * A lane as `GET /v1/lanes` answers; the fields that the page shows.
 * @typedef {object} Lane
 * @property {string} lane
 * @property {string[]} models
 * @property {string[]} operations
 * @property {Record<string, number>} backlog
 * @property {{ busy: number, total: number }} slots
 * @property {boolean} paused
 * @property {string} [pausedReason]
 * @property {string} [pausedDetail]
 */

/** The panel of the lanes. @param {{ list: HTMLElement, note: HTMLElement }} elements */
export function createLanesPanel({ list, note }) {
  /** @type {Map<string, ReturnType<typeof fromTemplate>>} */
  const rows = new Map();
  return {
    /** @param {readonly Lane[]} lanes */
    render(lanes) {
      note.hidden = true;
      for (const lane of lanes) {
        const row = rows.get(lane.lane) ?? fromTemplate('lane');
        rows.set(lane.lane, row);
        if (!row.root.isConnected) list.append(row.root);
        showLane(row.part, row.root, lane);
      }
      for (const [name, row] of rows) {
        if (lanes.some(({ lane }) => lane === name)) continue;
        row.root.remove();
        rows.delete(name);
      }
    },
  };
}

/** @param {(name: string) => HTMLElement} part @param {HTMLElement} root @param {Lane} lane */
function showLane(part, root, lane) {
  const { backlog, slots, paused, pausedReason, pausedDetail } = lane;
  const waiting = Object.values(backlog).reduce((sum, count) => sum + count, 0);
  root.title = lane.models.join('\n');
  root.dataset.idle = String(waiting === 0 && slots.busy === 0);
  setText(part('name'), lane.lane);
  setText(part('backlog'), waiting === 0 ? '' : `${formatCount(waiting)} waiting`);
  setText(part('slots'), slots.total === 0 ? 'no worker' : `${slots.busy} of ${slots.total} busy`);
  part('gauge').style.width = `${slots.total === 0 ? 0 : Math.min(100, (slots.busy / slots.total) * 100)}%`;
  part('paused').hidden = !paused;
  const why = paused ? (pausedDetail ?? pausedReason ?? '') : '';
  part('why').hidden = why === '';
  setText(part('why'), why);
}
