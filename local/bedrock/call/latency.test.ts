import { describe, expect, it } from 'vitest';
import { drawPieceTimes } from './latency.ts';

const PROFILE = { firstTokenMs: 500, perTokenMs: 10, spread: 0.5 };

describe('drawPieceTimes', () => {
  it('is the same for the same key, and another for another', () => {
    const draw = (key: string) => drawPieceTimes(PROFILE, key, [5, 5, 5]);
    expect(draw('a')).toEqual(draw('a'));
    expect(draw('a')).not.toEqual(draw('b'));
  });

  it('gives the medians themselves without spread', () => {
    expect(drawPieceTimes({ ...PROFILE, spread: 0 }, 'a', [5, 5, 2])).toEqual([550, 600, 620]);
  });

  it('gives no time at all for 0', () => {
    expect(drawPieceTimes(0, 'a', [5, 5])).toEqual([0, 0]);
  });

  it('never goes back', () => {
    const times = drawPieceTimes({ ...PROFILE, spread: 2 }, 'a', Array(200).fill(5));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it('has the median it was given, and a heavy tail', () => {
    const profile = { firstTokenMs: 100, perTokenMs: 0, spread: 1 };
    const first = Array.from({ length: 4_001 }, (_, call) => drawPieceTimes(profile, `call ${call}`, [1])[0] ?? 0);
    const sorted = first.toSorted((a, b) => a - b);
    expect(sorted[2_000]).toBeGreaterThan(92);
    expect(sorted[2_000]).toBeLessThan(108);
    // The 99th percentile of a lognormal with sigma 1 is e^2.33 = 10.2 medians.
    expect(sorted[3_960]).toBeGreaterThan(800);
    expect(sorted[3_960]).toBeLessThan(1_300);
  });
});
