import type { Dashboard, DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { fanoutAndBatch } from './fanout-and-batch.ts';
import { overview } from './overview.ts';
import { pacing } from './pacing.ts';
import { processes } from './process.ts';

const builders: Record<string, () => DashboardBuilder> = {
  overview,
  pacing,
  'fanout-and-batch': fanoutAndBatch,
  process: processes,
};

/** All dashboards by the name of their file in `dashboards/`, without its ending. */
export function dashboards(): Record<string, Dashboard> {
  return Object.fromEntries(Object.entries(builders).map(([name, build]) => [name, numbered(build().build())]));
}

/** A dashboard as it is written to its file. */
export const toJson = (dashboard: Dashboard): string => `${JSON.stringify(dashboard, null, 2)}\n`;

/** Grafana links to panels by number. They count from 1 in reading order. */
function numbered(dashboard: Dashboard): Dashboard {
  return { ...dashboard, panels: (dashboard.panels ?? []).map((panel, index) => ({ ...panel, id: index + 1 })) };
}
