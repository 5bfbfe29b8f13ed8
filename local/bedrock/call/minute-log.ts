/** Amounts with the time they were booked, oldest first; what a quota asks of it is the sum over a window. */
export type MinuteLog = { entries: { atMs: number; amount: number }[]; head: number; sum: number };

export function createMinuteLog(): MinuteLog {
  return { entries: [], head: 0, sum: 0 };
}

/** Books `amount` at `atMs`; times must not go back. */
export function addToLog(log: MinuteLog, atMs: number, amount: number): void {
  log.entries.push({ atMs, amount });
  log.sum += amount;
}

/** Forgets what was booked at or before `afterMs`, and returns the sum of what is left. */
export function forgetUntil(log: MinuteLog, afterMs: number): number {
  let entry = log.entries[log.head];
  while (entry !== undefined && entry.atMs <= afterMs) {
    log.sum -= entry.amount;
    log.head += 1;
    entry = log.entries[log.head];
  }
  // Dropping them one by one would copy the array each time: it is cut when half of it is dead.
  if (log.head > 1_000 && log.head * 2 > log.entries.length) {
    log.entries = log.entries.slice(log.head);
    log.head = 0;
  }
  return log.sum;
}

/** The sum of what was booked at `fromMs` or later. */
export function sumFrom(log: MinuteLog, fromMs: number): number {
  let sum = 0;
  for (let index = log.entries.length - 1; index >= log.head; index -= 1) {
    const entry = log.entries[index];
    if (entry === undefined || entry.atMs < fromMs) break;
    sum += entry.amount;
  }
  return sum;
}
