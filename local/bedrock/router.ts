import { routeAgents } from './agents/route-agents.ts';
import { getAsyncInvoke, listInvokes } from './async-invoke/read-async-invokes.ts';
import { startAsyncInvoke } from './async-invoke/start-async-invoke.ts';
import { CONTROL_PREFIX, control } from './control.ts';
import { converse } from './converse/converse.ts';
import { converseStream } from './converse/converse-stream.ts';
import { countTokens } from './converse/count-tokens.ts';
import type { EmulatorState } from './emulator-state.ts';
import { invoke } from './invoke/invoke.ts';
import { invokeStream } from './invoke/invoke-stream.ts';
import { BedrockError } from './wire/errors.ts';
import { decodeSegment, type Exchange } from './wire/exchange.ts';

type ModelOperation = (state: EmulatorState, exchange: Exchange, modelId: string) => Promise<void>;

const MODEL_OPERATIONS = new Map<string, ModelOperation>([
  ['converse', converse],
  ['converse-stream', converseStream],
  ['invoke', invoke],
  ['invoke-with-response-stream', invokeStream],
  ['count-tokens', countTokens],
]);

/** Answers one request; never rejects. An error that is not Bedrock's is ours: InternalServerException and a line of log. */
export async function route(state: EmulatorState, exchange: Exchange): Promise<void> {
  try {
    await dispatch(state, exchange);
  } catch (error) {
    if (exchange.gone.aborted) return;
    if (exchange.isStarted()) return exchange.cut();
    if (!(error instanceof BedrockError)) console.error('emulator: unexpected error', error);
    const known =
      error instanceof BedrockError
        ? error
        : new BedrockError('InternalServerException', 'The emulator failed; see its log.');
    exchange.sendJson(known.status, { message: known.message, ...known.members }, { 'x-amzn-errortype': known.type });
  }
}

async function dispatch(state: EmulatorState, exchange: Exchange): Promise<void> {
  const { method, path } = exchange;
  if (path.startsWith(CONTROL_PREFIX)) return control(state, exchange);
  const model = /^\/model\/(?<id>.+)\/(?<operation>[a-z-]+)$/.exec(path)?.groups;
  const operation = method === 'POST' && MODEL_OPERATIONS.get(model?.operation ?? '');
  if (operation) return operation(state, exchange, decodeSegment(model?.id ?? ''));
  const agentAnswer = routeAgents(state, exchange);
  if (agentAnswer) return agentAnswer;
  if (path === '/async-invoke' && method === 'POST') return startAsyncInvoke(state, exchange);
  if (path === '/async-invoke' && method === 'GET') return listInvokes(state, exchange);
  const arn = /^\/async-invoke\/(.+)$/.exec(path)?.[1];
  if (arn !== undefined && method === 'GET') return getAsyncInvoke(state, exchange, decodeSegment(arn));
  throw new BedrockError(
    'UnknownOperationException',
    `${method} ${path} is no operation of Bedrock runtime, nor of its agents.`,
  );
}
