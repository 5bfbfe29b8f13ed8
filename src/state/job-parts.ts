/** What belongs to a job beside its state. */
export interface JobParts {
  metadata?: Record<string, string>;
  /** The answer as JSON text, or a link to it where it is too large for a response. */
  output?: { text: string } | { url: string };
}
