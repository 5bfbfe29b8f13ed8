import { failuresAfter, reconnectDelayMs } from './job-state.js';

/**
 * The one live connection of the page. It is opened again, with growing waits, until it is refused for good.
 *
 *     connecting -> live -> away (waits, then connecting) ...
 *     connecting -> refused: the key is wrong; only `connect` with another one leaves this
 *
 * @typedef {'connecting' | 'live' | 'away' | 'refused'} ConnectionState
 */

/** An idle connection is asked for a sign of life so often; twice without one, and it is given up. */
const pingEveryMs = 20_000;

/**
 * @param {object} options
 * @param {(key: string) => Promise<'ok' | 'away' | 'refused'>} options.check asked before each try: a browser does not
 *   tell why a WebSocket was refused
 * @param {() => void} options.onLive
 * @param {(frame: any) => void} options.onFrame
 * @param {(state: ConnectionState) => void} options.onState
 */
export function createConnection({ check, onLive, onFrame, onState }) {
  let key = '';
  /** Rises with each try: an answer to an older one counts no more. */
  let turn = 0;
  let failures = 0;
  /** @type {ConnectionState} */
  let state = 'connecting';
  /** @type {WebSocket | undefined} */
  let socket;
  /** @type {number | undefined} */
  let timer;

  const become = (/** @type {ConnectionState} */ next) => {
    state = next;
    onState(next);
  };
  const drop = () => {
    turn += 1;
    clearTimeout(timer);
    const old = socket;
    socket = undefined;
    old?.close();
  };
  const retryLater = (/** @type {number} */ openForMs) => {
    drop();
    failures = failuresAfter(failures, openForMs);
    become('away');
    timer = setTimeout(open, reconnectDelayMs(failures, Math.random()));
  };

  async function open() {
    drop();
    const mine = turn;
    become('connecting');
    const verdict = await check(key);
    if (mine !== turn) return;
    if (verdict === 'refused') return become('refused');
    if (verdict === 'away') return retryLater(0);
    follow(new WebSocket(liveUrl(), ['penstock.v1', `bearer.${key}`]));
  }

  /** @param {WebSocket} mine */
  function follow(mine) {
    socket = mine;
    let openedAtMs = 0;
    let silentTurns = 0;
    const isOver = () => socket !== mine;
    const openForMs = () => (openedAtMs === 0 ? 0 : performance.now() - openedAtMs);
    const pings = setInterval(() => {
      silentTurns += 1;
      if (isOver()) clearInterval(pings);
      else if (silentTurns > 2) retryLater(openForMs());
      else if (mine.readyState === WebSocket.OPEN) mine.send('{"type":"ping"}');
    }, pingEveryMs);
    mine.addEventListener('open', () => {
      if (isOver()) return;
      openedAtMs = performance.now();
      become('live');
      onLive();
    });
    mine.addEventListener('message', ({ data }) => {
      if (isOver()) return;
      silentTurns = 0;
      onFrame(JSON.parse(data));
    });
    mine.addEventListener('close', () => {
      clearInterval(pings);
      if (!isOver()) retryLater(openForMs());
    });
  }

  return {
    /** Starts over with a key. @param {string} newKey */
    connect(newKey) {
      key = newKey;
      failures = 0;
      void open();
    },
    /** Does not wait any longer; nothing where there is no wait. */
    retryNow() {
      if (state === 'away') void open();
    },
    /** True where the frame went out; what did not has to be said again in `onLive`. @param {object} frame */
    send(frame) {
      if (socket?.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(frame));
      return true;
    },
  };
}

function liveUrl() {
  const url = new URL('/v1/ws', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url;
}
