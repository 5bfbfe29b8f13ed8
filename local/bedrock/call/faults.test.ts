import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addFault, clearFaults, createFaultList, type Fault, takeFault } from './faults.ts';

const MODEL = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';

function hits(faults: Fault[], calls: number, streams = false): (string | undefined)[] {
  const list = createFaultList();
  for (const fault of faults) addFault(list, fault);
  return Array.from({ length: calls }, () => takeFault(list, MODEL, streams));
}

describe('takeFault', () => {
  it('hits every call without a rate, and as many as count says', () => {
    expect(hits([{ kind: 'throttle', count: 2 }], 3)).toEqual(['throttle', 'throttle', undefined]);
  });

  it('hits every second call at a rate of 0.5, beginning with the second', () => {
    expect(hits([{ kind: 'throttle', rate: 0.5 }], 4)).toEqual([undefined, 'throttle', undefined, 'throttle']);
  });

  it('hits as large a share of the calls as the rate says, to the call', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 300 }), (percent, calls) => {
        const hit = hits([{ kind: 'internal', rate: percent / 100 }], calls).filter(Boolean);
        expect(hit).toHaveLength(Math.floor((calls * percent) / 100));
      }),
    );
  });

  it('keeps to a model, in whatever way its id is written', () => {
    const bare = MODEL.slice('us.'.length);
    expect(hits([{ kind: 'hang', modelId: bare, count: 1 }], 1)).toEqual(['hang']);
    expect(hits([{ kind: 'hang', modelId: `arn:aws:bedrock:eu-west-1:1:inference-profile/eu.${bare}` }], 1)).toEqual([
      'hang',
    ]);
    expect(hits([{ kind: 'hang', modelId: 'amazon.nova-lite-v1:0' }], 1)).toEqual([undefined]);
  });

  it('asks in the order of adding; the next one gets what the first leaves', () => {
    const faults: Fault[] = [{ kind: 'throttle', rate: 0.5 }, { kind: 'internal' }];
    expect(hits(faults, 4)).toEqual(['internal', 'throttle', 'internal', 'throttle']);
  });

  it('keeps the faults of streams for streams', () => {
    expect(hits([{ kind: 'stream-error', count: 1 }], 1, false)).toEqual([undefined]);
    expect(hits([{ kind: 'stream-error', count: 1 }], 1, true)).toEqual(['stream-error']);
  });

  it('forgets all of them when they are cleared', () => {
    const list = createFaultList();
    addFault(list, { kind: 'hang' });
    clearFaults(list);
    expect(takeFault(list, MODEL, true)).toBeUndefined();
  });
});
