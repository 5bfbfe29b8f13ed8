import { failuresAfter, reconnectDelayMs } from './job-state.js';

/**
 *     connecting -> live -> away (waits, then connecting) ...
 *     connecting -> refused: the key is wrong; only `connect` with another one leaves this
 *
 * @typedef {'connecting' | 'live' | 'away' | 'refused'} ConnectionState
 */

/**
 * @typedef {object} ConnectionOptions
 * @property {() => Promise<'ok' | 'away' | 'refused'>} check asked before each try: a browser does not tell why a
 *   WebSocket was refused
 * @property {() => void} onLive
 * @property {(frame: any) => void} onFrame
 * @property {(state: ConnectionState) => void} onState
 */

/** A connection is asked for a sign of life so often, well within what a proxy lets one be idle. */
const pingEveryMs = 20_000;
const mostSilentTurns = 2;

/** The one live connection of the page. It is opened again, with growing waits, until it is refused for good. */
export class Connection {
  #options;
  #key = '';
  /** @type {ConnectionState} */
  #state = 'connecting';
  /** Rises with each try: an answer to an older one counts no more. */
  #turn = 0;
  #failures = 0;
  /** Undefined while there is none, also while `check` is asked. @type {WebSocket | undefined} */
  #socket;
  /** Undefined unless `away`. @type {number | undefined} */
  #timer;

  /** @param {ConnectionOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /** Starts over with a key. @param {string} key */
  connect(key) {
    this.#key = key;
    this.#failures = 0;
    void this.#open();
  }

  /** Does not wait any longer; nothing where there is no wait. */
  retryNow() {
    if (this.#state === 'away') void this.#open();
  }

  /** True where the frame went out; what did not has to be said again in `onLive`. @param {object} frame */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  async #open() {
    this.#drop();
    const turn = this.#turn;
    this.#become('connecting');
    const verdict = await this.#options.check();
    if (turn !== this.#turn) return;
    if (verdict === 'refused') this.#become('refused');
    else if (verdict === 'away') this.#retryLater(0);
    else this.#follow(new WebSocket(liveUrl(), ['penstock.v1', `bearer.${this.#key}`]));
  }

  /** @param {WebSocket} socket */
  #follow(socket) {
    this.#socket = socket;
    /** @type {number | undefined} */
    let openedAtMs;
    let silentTurns = 0;
    const isCurrent = () => this.#socket === socket;
    const end = () => {
      if (isCurrent()) this.#retryLater(openedAtMs === undefined ? 0 : performance.now() - openedAtMs);
    };
    const pings = setInterval(() => {
      silentTurns += 1;
      if (silentTurns > mostSilentTurns) end();
      else if (isCurrent()) this.send({ type: 'ping' });
    }, pingEveryMs);
    socket.addEventListener('open', () => {
      if (!isCurrent()) return;
      openedAtMs = performance.now();
      this.#become('live');
      this.#options.onLive();
    });
    socket.addEventListener('message', ({ data }) => {
      silentTurns = 0;
      if (isCurrent()) this.#options.onFrame(JSON.parse(data));
    });
    socket.addEventListener('close', () => {
      clearInterval(pings);
      end();
    });
  }

  /** @param {number} openForMs */
  #retryLater(openForMs) {
    this.#drop();
    this.#failures = failuresAfter(this.#failures, openForMs);
    this.#become('away');
    this.#timer = setTimeout(() => void this.#open(), reconnectDelayMs(this.#failures, Math.random()));
  }

  #drop() {
    this.#turn += 1;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#socket?.close();
    this.#socket = undefined;
  }

  /** @param {ConnectionState} state */
  #become(state) {
    this.#state = state;
    this.#options.onState(state);
  }
}

function liveUrl() {
  const url = new URL('/v1/ws', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url;
}
