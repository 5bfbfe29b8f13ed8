import type { ModelCall } from '../call/model-call.ts';
import type { Exchange } from './exchange.ts';

/**
 * Sends a JSON answer, unless the call's fault spoils it: `garbage` is a 200 with the first half of the JSON, `cut-stream`
 * the same with the connection broken off there. Returns how the call ended.
 */
export function sendAnswer(
  exchange: Exchange,
  call: ModelCall,
  body: unknown,
  headers: Record<string, string> = {},
): 'finished' | 'failed' {
  const bytes = Buffer.from(JSON.stringify(body));
  const half = bytes.subarray(0, Math.floor(bytes.length / 2));
  const typed = { 'content-type': 'application/json', ...headers };
  if (call.fault === 'garbage') {
    exchange.sendBytes(200, half, typed);
    return 'failed';
  }
  if (call.fault === 'cut-stream') {
    exchange.startStream({ ...typed, 'content-length': String(bytes.length) });
    exchange.write(half);
    exchange.cut();
    return 'failed';
  }
  exchange.sendBytes(200, bytes, typed);
  return 'finished';
}
