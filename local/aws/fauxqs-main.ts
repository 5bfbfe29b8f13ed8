import { startFauxqs } from './fauxqs.ts';
import { serveUntilStopped } from './serve-until-stopped.ts';

/** `node local/aws/fauxqs-main.ts <port> [data directory]`: SQS, SNS and S3 as a process of their own. */
await serveUntilStopped(process.argv, startFauxqs);
