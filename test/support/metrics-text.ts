/** Sample values by `name{a="1",b="2"}`, the labels in alphabetical order; without labels just `name`. */
export type Metrics = ReadonlyMap<string, number>;

/** Parses Prometheus' text format as prom-client writes it (no timestamps). */
export function parseMetrics(text: string): Metrics {
  const metrics = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, name, labels, value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) continue;
    const pairs = labelPairs(labels ?? '');
    metrics.set(pairs.length === 0 ? name : `${name}{${pairs.sort().join(',')}}`, Number(value));
  }
  return metrics;
}

/** The sum over all samples of `name` that carry every given label; 0 where there is none. */
export function metricSum(metrics: Metrics, name: string, labels: Record<string, string> = {}): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  let sum = 0;
  for (const [key, value] of metrics) {
    const [ownName, rest = ''] = key.split(/\{(.*)\}$/, 2);
    if (ownName !== name) continue;
    const pairs = labelPairs(rest);
    if (wanted.every((pair) => pairs.includes(pair))) sum += value;
  }
  return sum;
}

function labelPairs(labels: string): string[] {
  return labels.match(/\w+="(?:\\.|[^"\\])*"/g) ?? [];
}
