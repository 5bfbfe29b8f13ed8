import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { BatchView } from './batch-view.ts';
import { createProgressView } from './progress-view.ts';

const startMs = Date.parse('2026-11-01T10:00:00.000Z');
beforeEach(() => {
  vi.useFakeTimers({ now: startMs });
});
afterEach(() => {
  vi.useRealTimers();
});

const view: BatchView = {
  id: 'bat_1',
  status: 'running',
  counts: { total: 1_000, succeeded: 240, failed: 10, cancelled: 0, running: 5 },
  steps: [{ name: 'label\u001b[31m', type: 'inference', status: 'running' }],
  usage: { inputTokens: 900, outputTokens: 100 },
  costUsd: 0.5,
  rate: 4.26,
  estimatedEndAt: new Date(startMs + 187_000).toISOString(),
  createdAt: new Date(startMs).toISOString(),
  urls: {},
};

function screen(isTTY: boolean) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 200 });
  let text = '';
  stream.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  const terminal = { stdout: stream, stderr: stream } as unknown as Parameters<typeof createProgressView>[0];
  return { terminal, text: () => text };
}

test('a person sees one line with a bar, the numbers and the time left, and gets the terminal back', () => {
  const { terminal, text } = screen(true);
  const progress = createProgressView(terminal);
  const { total: _, ...unknown } = view.counts;
  progress.show({ ...view, status: 'splitting', counts: { ...unknown, succeeded: 0, failed: 0 }, steps: [] });
  vi.advanceTimersByTime(1_000);
  progress.show(view);
  vi.advanceTimersByTime(1_000);
  progress.note('no answer');
  vi.advanceTimersByTime(1_000);
  expect(text()).not.toContain('\u001b[31m');
  progress.close();
  const shown = stripVTControlCharacters(text());
  expect(shown).toContain(`${'░'.repeat(24)} 0% | 0 records`);
  expect(shown).toContain(
    `${'█'.repeat(6)}${'░'.repeat(18)} 25% | 250/1000 records | 10 failed | 4.3/s | 1,000 tokens | $0.50 | 3 min 06 s left | running label`,
  );
  expect(shown).toContain('running label | no answer');
  // The cursor, and the wrapping of lines, are as they were.
  expect(text()).toContain('\u001b[?25h');
  expect(text()).toContain('\u001b[?7h');
  expect(vi.getTimerCount()).toBe(0);
});

test('a log gets a plain line every few seconds, and each change of state', () => {
  const { terminal, text } = screen(false);
  const progress = createProgressView(terminal);
  for (let second = 0; second < 12; second += 1) {
    progress.show(view);
    vi.advanceTimersByTime(1_000);
  }
  progress.show({ ...view, status: 'finishing' });
  progress.close();
  const lines = text().trimEnd().split('\n');
  expect(lines).toEqual([
    'bat_1 running label, 250 of 1,000 records, 10 failed, 4.3/s, 1,000 tokens, $0.50, 3 min 07 s left',
    expect.stringContaining('3 min 02 s left'),
    expect.stringContaining('2 min 57 s left'),
    expect.stringContaining('finishing'),
  ]);
});
