import type { Connections } from '../aws/connections.ts';
import type { Objects } from '../aws/objects.ts';
import type { Queues } from '../aws/queues.ts';
import type { Tables } from '../aws/tables.ts';
import type { Topics } from '../aws/topics.ts';

/** What the changes of state work with. */
export interface StateDeps {
  tables: Tables;
  objects: Objects;
  queues: Queues;
  topics: Topics;
  /** Tells other processes of changes: a hint, never waited for. */
  connections: Pick<Connections, 'post'>;
  /** The deployment's prefix, for queue names. */
  prefix: string;
  /** How long a final job is kept. */
  retentionMs: number;
  /** Epoch ms. */
  now(): number;
  /** Uniform in 0..1. */
  random(): number;
}
