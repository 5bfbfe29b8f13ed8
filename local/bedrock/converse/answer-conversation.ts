import { createHash } from 'node:crypto';
import type { ModelCall } from '../call/model-call.ts';
import type { EmulatorState } from '../emulator-state.ts';
import { generate } from '../reply/generate.ts';
import { askUpstream } from './ask-upstream.ts';
import type { ConverseRequest } from './converse-request.ts';
import type { ToolSpec } from './converse-shape.ts';
import { makeToolInput } from './tool-input.ts';

type ToolUse = { toolUseId: string; name: string; input: unknown };
export type ConversationAnswer = { block: { text: string } | { toolUse: ToolUse }; stopReason: string };
export type PieceHandlers = {
  /** Called once, before the first piece; undefined: the answer is text. */
  onStart: (toolUse: Omit<ToolUse, 'input'> | undefined) => void;
  /** A piece of the text, or of the JSON of the tool's input. */
  onPiece: (text: string) => void;
};

/**
 * Makes the answer to a Converse request, from the upstream model where there is one. With `handlers` it comes in pieces
 * as well. Rejects with the signal's reason when `signal` is aborted, and with a BedrockError when the upstream fails.
 */
export async function answerConversation(
  state: EmulatorState,
  call: ModelCall,
  request: ConverseRequest,
  signal: AbortSignal,
  handlers?: PieceHandlers,
): Promise<ConversationAnswer> {
  if (request.forcedTool) return useTool(state, call, request.forcedTool, signal, handlers);
  const pieces = handlers && startAtFirstPiece(handlers, undefined);
  const reply = state.upstream
    ? await askUpstream(state.upstream, call, request, signal, pieces?.onPiece)
    : await generate(call, { ...generateOptions(state, signal, pieces), stopSequences: request.stopSequences });
  pieces?.ensureStarted();
  return { block: { text: reply.text }, stopReason: reply.stopReason };
}

/** The forced tool is never upstream's business: only text passes through. */
async function useTool(
  state: EmulatorState,
  call: ModelCall,
  tool: ToolSpec,
  signal: AbortSignal,
  handlers?: PieceHandlers,
): Promise<ConversationAnswer> {
  const input = makeToolInput(tool.inputSchema.json, call.plan.prompt);
  const id = createHash('sha256').update(call.key).digest('base64url').slice(0, 22);
  const started = { toolUseId: `tooluse_${id}`, name: tool.name };
  const pieces = handlers && startAtFirstPiece(handlers, started);
  await generate(call, { ...generateOptions(state, signal, pieces), stopSequences: [], text: JSON.stringify(input) });
  pieces?.ensureStarted();
  return { block: { toolUse: { ...started, input } }, stopReason: 'tool_use' };
}

function generateOptions(
  state: EmulatorState,
  signal: AbortSignal,
  pieces: { onPiece(text: string): void } | undefined,
) {
  return { seed: state.seed, nowMs: state.nowMs, signal, onPiece: pieces?.onPiece };
}

/** The stream begins with its first token: an error before that is still an HTTP status, not an event. */
function startAtFirstPiece(handlers: PieceHandlers, toolUse: Omit<ToolUse, 'input'> | undefined) {
  let started = false;
  const ensureStarted = () => {
    if (!started) handlers.onStart(toolUse);
    started = true;
  };
  const onPiece = (text: string) => {
    ensureStarted();
    handlers.onPiece(text);
  };
  return { ensureStarted, onPiece };
}
