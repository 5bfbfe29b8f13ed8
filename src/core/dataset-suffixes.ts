/** What a dataset's key ends with: new objects of these raise an event. Lower case only, as S3's filters compare. */
export const datasetSuffixes = ['.jsonl', '.ndjson', '.csv'] as const;
