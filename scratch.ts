import { startEmbeddedAws, endpointsOf, embeddedAwsReady } from './local/embedded-aws.ts';
import { localEnvironment } from './local/local-environment.ts';
const ports = { aws: 5566, dynamodb: 5567, bedrock: 5568 };
const endpoints = endpointsOf(ports);
const env = localEnvironment(process.env, endpoints);
Object.assign(process.env, env, { PENSTOCK_OPS_PORT: '0', PENSTOCK_LOG_LEVEL: process.env.LL ?? 'warn' });
const children = startEmbeddedAws({ ports, env: { ...env, EMULATOR_LATENCY: '0' }, onLine: (n, l) => console.log(n, l) });
await embeddedAwsReady(endpoints, new AbortController().signal);
const { readConfig } = await import('./src/runtime/config.ts');
const { readLanes, readLimits } = await import('./src/runtime/config-files.ts');
const { createLogger } = await import('./src/runtime/logger.ts');
const { createMetrics } = await import('./src/runtime/metrics.ts');
const { openState } = await import('./src/state/open-state.ts');
const { provision } = await import('./src/aws/provision.ts');
const { startWorker } = await import('./src/workers/worker-mode.ts');
const { submitJob } = await import('./src/state/submit-job.ts');
const { readJob } = await import('./src/state/read-job.ts');
const { jobRequestSchema } = await import('./src/core/job-request.ts');
const config = readConfig();
const lanes = readLanes('config');
const deps = { config, lanes, limits: readLimits('config'), logger: createLogger(config, 'test'), metrics: createMetrics() };
const apiMetrics = createMetrics();
const { state, clients } = openState(config, apiMetrics);
console.time('provision');
await provision({ clients, config, lanes, logger: deps.logger });
console.timeEnd('provision');
const stop = await startWorker(deps);
apiMetrics.awsRequests.reset(); deps.metrics.awsRequests.reset();
const n = Number(process.env.N ?? 1), par = Number(process.env.PAR ?? 20);
const ids: string[] = [];
const t0 = performance.now();
let next = 0;
await Promise.all(Array.from({ length: par }, async () => {
  while (next < n) {
    const i = next++;
    const request = jobRequestSchema.parse({ model: 'amazon.nova-lite-v1:0', input: { messages: [{ role: 'user', content: [{ text: `hello number ${i}` }] }] }, stream: process.env.STREAM === '1' });
    const s = await submitJob(state, { tenant: 'demo', request, lane: lanes.byModel('amazon.nova-lite-v1:0')!, idempotencyKey: undefined });
    if (s.kind === 'accepted') ids.push(s.job.pk);
  }
}));
console.log('submitted', Math.round(performance.now() - t0), 'ms');
let left = new Set(ids); let last;
while (left.size) { for (const id of [...left].slice(0, 10)) { const j = await readJob(state, id); if (j && ['succeeded','failed'].includes(j.status)) { left.delete(id); last = j; } else break; } await new Promise(r => setTimeout(r, 20)); if (performance.now()-t0 > 60000) { console.log('left', left.size, await readJob(state,[...left][0]!)); break; } }
console.log('all done', Math.round(performance.now() - t0), 'ms', last);
for (const [name, m] of [['api', apiMetrics], ['worker', deps.metrics]] as const) for (const v of (await m.awsRequests.get()).values) console.log(name, v.labels.service, v.labels.operation, v.value, (v.value / n).toFixed(3));
console.time('stop'); await stop(); console.timeEnd('stop');
clients.destroy();
for (const c of children) await c.stop(2000);
