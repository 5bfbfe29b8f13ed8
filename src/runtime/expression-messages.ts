/** What goes to an expression process: some expressions to evaluate over one document, in order. */
export type ExpressionRequest = {
  id: number;
  expressions: readonly string[];
  /** JSON text of `{input?, variables?}`: it was measured as text, and goes as text. */
  document: string;
};

/** What comes back: once `ready`, then one reply to each request. */
export type ExpressionReply =
  | { ready: true }
  /** JSON text of one array for each expression: `[value]`, or `[]` where there is none. */
  | { id: number; values: string }
  | { id: number; failure: ExpressionFailure };

export type ExpressionFailure = {
  code: 'expression_failed' | 'expression_too_large';
  message: string;
  position?: number | undefined;
  /** Which of the expressions. */
  index: number;
};
