import { bareModelId } from './model-catalogue.ts';

/** What can be made to go wrong, each with what the client sees. */
export const FAULT_KINDS = [
  'throttle', // ThrottlingException 429
  'not-ready', // ModelNotReadyException 429
  'quota', // ServiceQuotaExceededException 400
  'access-denied', // AccessDeniedException 403
  'validation', // ValidationException 400
  'expired-token', // ExpiredTokenException 403
  'unavailable', // ServiceUnavailableException 503
  'internal', // InternalServerException 500
  'timeout', // ModelTimeoutException 408
  'model-error', // ModelErrorException 424
  'hang', // no answer until the client goes away
  'cut-stream', // the connection breaks in the middle of the body or stream
  'garbage', // 200 with a body that cannot be read
  'stream-throttle', // throttlingException as an event, in the middle of a stream; streams only
  'stream-error', // modelStreamErrorException likewise
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

export type Fault = {
  kind: FaultKind;
  /** Calls of this model only (any variant of its id); absent: of all models. */
  modelId?: string | undefined;
  /** Share of the calls it sees that it hits, evenly spread: 0.5 is every second call, beginning with the second. */
  rate?: number | undefined;
  /** How many more calls it hits; absent: no end. */
  count?: number | undefined;
};

type ActiveFault = Fault & { seen: number };
export type FaultList = { active: ActiveFault[] };

export function createFaultList(): FaultList {
  return { active: [] };
}

export function addFault(list: FaultList, fault: Fault): void {
  list.active.push({ ...fault, seen: 0 });
}

export function clearFaults(list: FaultList): void {
  list.active = [];
}

/**
 * The fault that hits this call, or undefined. Faults are asked in the order they were added and the first that hits
 * wins; those after it do not see the call. Counts it: call it once per model call.
 */
export function takeFault(list: FaultList, modelId: string, streams: boolean): FaultKind | undefined {
  const hit = list.active.find((fault) => applies(fault, modelId, streams) && fires(fault));
  if (hit === undefined) return undefined;
  if (hit.count !== undefined) {
    hit.count -= 1;
    if (hit.count <= 0) list.active = list.active.filter((fault) => fault !== hit);
  }
  return hit.kind;
}

function applies(fault: Fault, modelId: string, streams: boolean): boolean {
  if (!streams && fault.kind.startsWith('stream-')) return false;
  return fault.modelId === undefined || bareModelId(fault.modelId) === bareModelId(modelId);
}

function fires(fault: ActiveFault): boolean {
  const rate = fault.rate ?? 1;
  // 0.29 * 100 is 28.999999999999996: without the tolerance the hundredth call would not be hit.
  const hitsAfter = (calls: number) => Math.floor(calls * rate + 1e-9);
  fault.seen += 1;
  return hitsAfter(fault.seen) > hitsAfter(fault.seen - 1);
}
