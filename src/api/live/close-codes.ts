/**
 * Why a socket is closed. Below 4000: the codes of RFC 6455 (1009 for a frame that is too large is the library's own).
 * From 4000: ours, after the HTTP status that says the same.
 */
export const closeCodes = {
  /** The service restarts: connect again, and subscribe with `after`. */
  restart: 1012,
  /** Frames are text. */
  binary: 1003,
  /** A hundred frames that could not be read. */
  broken: 4400,
  /** The reader does not read. */
  tooSlow: 4408,
  /** More frames than the tenant's limit allows. */
  tooFast: 4429,
} as const;
