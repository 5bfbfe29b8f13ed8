/** Swallows errors of these names, for steps that are safe to repeat and for emulators that lack a call; throws all others. */
export function unless(...names: string[]): (error: unknown) => void {
  return (error) => {
    if (!names.includes(sdkErrorName(error))) throw error;
  };
}

/** The SDK's own name of an error, also of one that was wrapped. */
export function sdkErrorName(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.name : '';
}
