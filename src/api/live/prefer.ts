/** The longest wait of `Prefer: wait`: a load balancer of AWS gives up on an idle connection at 60 s by default. */
export const longestWaitSeconds = 55;

/**
 * Seconds of `Prefer: wait=N` (RFC 7240, section 4.3); undefined where the header has none that is served. A preference
 * is a wish: one that cannot be understood is ignored, as the RFC asks, and not named in `Preference-Applied`.
 */
export function waitSecondsOf(prefer: string | string[] | undefined): number | undefined {
  const text = Array.isArray(prefer) ? prefer.join(',') : (prefer ?? '');
  const given = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])/i.exec(text)?.[1];
  if (given === undefined) return undefined;
  const seconds = Number(given);
  return seconds < 1 ? undefined : Math.min(longestWaitSeconds, seconds);
}
