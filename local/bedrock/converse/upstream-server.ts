/** A server that speaks OpenAI's chat completions, such as Ollama. */
export type Upstream = {
  /** Its base, before `/v1/chat/completions`. */
  url: string;
  /** Sent as `model`; undefined: the Bedrock id as the client wrote it. */
  model: string | undefined;
};
