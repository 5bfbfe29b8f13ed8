/** What a model reads of a record, where the step does not say: its last answer that is text, else all of it as JSON. */
export function defaultContent(record: unknown, views: Readonly<Record<string, unknown>>): string {
  const texts = Object.values(views).flatMap((view) => {
    const text = (view as { text?: unknown } | null)?.text;
    return typeof text === 'string' && text !== '' ? [text] : [];
  });
  return texts.at(-1) ?? (typeof record === 'string' ? record : (JSON.stringify(record) ?? ''));
}
