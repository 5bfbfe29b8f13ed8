import { startDynalite } from './dynalite.ts';
import { serveUntilStopped } from './serve-until-stopped.ts';

/** `node local/aws/dynalite-main.ts <port> [data directory]`: DynamoDB as a process of its own. */
await serveUntilStopped(process.argv, startDynalite);
