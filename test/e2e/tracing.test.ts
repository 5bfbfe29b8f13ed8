import { ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, expect, test } from 'vitest';
import { askStep, records, startBatch, upload, waitForResults } from '../support/batches.ts';
import { said, submitFanout } from '../support/fanouts.ts';
import { freePort } from '../support/free-port.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';
import { type CollectedSpan, startTraceCollector, type TraceCollector } from '../support/trace-collector.ts';

/** Traces, over processes: from the request through the queues to the model call, and none unless somebody asked for them. */
let stack: Stack | undefined;
let collector: TraceCollector | undefined;
afterEach(async () => {
  await stack?.stop();
  await collector?.stop();
  stack = undefined;
  collector = undefined;
});

/** Says so in the log of a process that loads the SDK. */
const sayLoaded = `import{registerHooks}from'node:module';registerHooks({load(url,context,next){if(url.includes('opentelemetry/sdk-trace'))console.log('LOADED-SDK');return next(url,context)}})`;
const watched = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(sayLoaded)}` };

const recordsEach = 5;
const job = (text: string): object => ({ model: nova, input: { ...said(text), inferenceConfig: { maxTokens: 20 } } });
const traceOf = (digit: string) => ({ id: digit.repeat(32), parent: `${digit.repeat(15)}1` });
const headersOf = (digit: string) => {
  const { id, parent } = traceOf(digit);
  return { traceparent: `00-${id}-${parent}-01`, tracestate: 'caller=yes' };
};

/** The names from a span up to its trace's beginning. */
function wayUp(spans: readonly CollectedSpan[], span: CollectedSpan): string[] {
  const parent = spans.find((one) => one.spanId === span.parentSpanId);
  const name = `${span.service} ${span.name}`;
  return parent === undefined ? [name, String(span.parentSpanId)] : [name, ...wayUp(spans, parent)];
}

test('one trace from the request to the model call, through SQS and through SNS; a batch is linked to its request', async () => {
  collector = await startTraceCollector();
  const env = { ...watched, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
  // One call at a time, and not too short: the records of the two batches take turns.
  const lanes = testLanes({ concurrency: 1 });
  const models = { [nova]: { latency: { firstTokenMs: 200, perTokenMs: 0, spread: 0 } } };
  stack = await startStack({ router: 1, scheduler: 1, lanes, limits: testLimits, env, emulator: { models } });
  const accepted = await stack.request('POST', '/v1/jobs', { body: job('whispered words'), headers: headersOf('a') });
  const fanout = await submitFanout(
    stack,
    { input: {}, branches: ['one', 'two'].map((name) => ({ name, ...job(`whispered ${name}`) })) },
    headersOf('b'),
  );
  const { id: jobId } = accepted.body as { id: string };
  const [done] = await stack.waitForFinal([jobId, fanout.id]);
  expect(done?.status).toBe('succeeded');
  const { id: input } = await upload(stack, 'records.jsonl', records(recordsEach));
  const batch = await startBatch(stack, { input, steps: [askStep] }, headersOf('c'));
  const other = await startBatch(stack, { input, steps: [askStep] });
  for (const { id } of [batch, other]) await waitForResults(stack, id);
  const workerLog = (): string => String(stack?.workers[0]?.logs());
  expect(workerLog()).toContain('LOADED-SDK');
  // What is left is sent at the end.
  await stack.stop();
  stack = undefined;

  const spans = collector.spans();
  const of = (digit: string) => spans.filter(({ traceId }) => traceId === traceOf(digit).id);
  const ways = (digit: string) => of(digit).map((span) => wayUp(spans, span));

  const toWorker = ['penstock-worker process nova-lite', 'penstock-api send nova-lite', 'penstock-api POST /v1/jobs'];
  expect(ways('a')).toContainEqual([`penstock-worker chat ${nova}`, ...toWorker, traceOf('a').parent]);
  for (const way of ways('a')) expect(way.at(-1)).toBe(traceOf('a').parent);
  expect(of('a').find(({ kind }) => kind === 2)?.attributes).toMatchObject({
    'http.request.method': 'POST',
    'http.route': '/v1/jobs',
    'penstock.tenant': expect.any(String),
  });
  const consumed = of('a').find(({ kind }) => kind === 5);
  expect(consumed?.attributes).toMatchObject({ 'penstock.job.id': jobId, 'penstock.message.end': 'delete' });
  const called = of('a').find(({ kind }) => kind === 3)?.attributes;
  expect(called).toMatchObject({ 'gen_ai.provider.name': 'aws.bedrock', 'gen_ai.request.model': nova });
  expect(Number(called?.['gen_ai.usage.input_tokens'])).toBeGreaterThan(0);
  expect(Number(called?.['gen_ai.usage.output_tokens'])).toBeGreaterThan(0);

  const toRouter = [
    'penstock-fanout-router process fanout',
    'penstock-api send fanout',
    'penstock-api POST /v1/fanouts',
  ];
  const toBranch = ['penstock-worker process nova-lite', ...toRouter, traceOf('b').parent];
  const branches = ways('b').filter(([name]) => name === `penstock-worker chat ${nova}`);
  expect(branches).toEqual([
    [`penstock-worker chat ${nova}`, ...toBranch],
    [`penstock-worker chat ${nova}`, ...toBranch],
  ]);
  expect(ways('b')).toContainEqual(['penstock-fanout-router process events', ...toBranch]);

  const asked = of('c').find(({ name }) => name === 'send batch-work');
  const looked = spans.find(({ links }) => links.some(({ spanId }) => spanId === asked?.spanId));
  expect(looked).toMatchObject({ service: 'penstock-batch-scheduler', name: 'process batch-work' });
  for (const { id } of [batch, other]) {
    const chunk = spans.find(({ attributes }) => attributes['penstock.batch.id'] === id);
    expect(chunk).toMatchObject({ name: 'process nova-lite-batch', parentSpanId: undefined });
    const sender = spans.find(({ spanId }) => spanId === chunk?.links[0]?.spanId);
    expect(sender?.name).toBe('send nova-lite-batch');
    const calls = spans.filter(({ parentSpanId, kind }) => parentSpanId === chunk?.spanId && kind === 3);
    expect(calls.map(({ name }) => name)).toEqual(Array.from({ length: recordsEach }, () => `chat ${nova}`));
  }

  expect(spans.filter(({ status }) => status === 2)).toEqual([]);
  // Neither what was asked, nor the answer that quotes it, nor who asked.
  for (const secret of ['whispered', 'record number', 'local-demo-key']) expect(collector.text()).not.toContain(secret);
});

test('off by default: no message carries anything, nothing is loaded; a collector that is away is no harm', async () => {
  const own = await startStack({ worker: 0, lanes: testLanes(), limits: testLimits, env: watched });
  stack = own;
  const traced = await own.startApi({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}` });
  const [silent] = own.apis;
  const submit = async (api = silent) =>
    (await own.request('POST', '/v1/jobs', { api, body: job('hello'), headers: headersOf('d') })).body as {
      id: string;
    };
  const sqs = new SQSClient({
    region: 'us-east-1',
    endpoint: own.endpoints.awsUrl,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const QueueUrl = `${own.endpoints.awsUrl}/000000000000/nova-lite`;
  const raw = async () => {
    const request = { QueueUrl, MessageAttributeNames: ['All'], VisibilityTimeout: 1, WaitTimeSeconds: 5 };
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ ...request, MaxNumberOfMessages: 10 }));
    return new Map(
      Messages.map(({ Body = '', MessageAttributes }) => {
        const body = JSON.parse(Body) as { jobId: string };
        return [body.jobId, { attributes: MessageAttributes, fields: Object.keys(body).sort() }];
      }),
    );
  };
  const first = await submit();
  expect((await raw()).get(first.id)).toEqual({
    attributes: undefined,
    fields: ['generation', 'jobId', 'lane', 'tenant', 'v'],
  });
  expect(silent?.logs()).not.toContain('LOADED-SDK');

  const second = await submit(traced);
  const carried = (await raw()).get(second.id)?.attributes;
  expect(carried?.traceparent?.StringValue).toMatch(new RegExp(`^00-${traceOf('d').id}-[0-9a-f]{16}-01$`));
  expect(carried?.tracestate?.StringValue).toBe('caller=yes');
  sqs.destroy();
  // A worker that traces to nowhere, and takes messages with and without a trace.
  await own.startWorker({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${await freePort()}/v1/traces` });
  const jobs = await own.waitForFinal([first.id, second.id]);
  expect(jobs.map(({ status }) => status)).toEqual(['succeeded', 'succeeded']);
});
