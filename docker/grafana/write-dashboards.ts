import { writeFile } from 'node:fs/promises';
import { dashboards, toJson } from './dashboards.ts';

/** `npm run dashboards`: writes `dashboards/*.json`, which Grafana reads, anew. */
for (const [name, dashboard] of Object.entries(dashboards()))
  await writeFile(new URL(`dashboards/${name}.json`, import.meta.url), toJson(dashboard));
