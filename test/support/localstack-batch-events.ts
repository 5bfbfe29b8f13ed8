import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { PutEventsCommand, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { CreateStateMachineCommand, DescribeExecutionCommand, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { localEnvironment } from '../../local/local-environment.ts';
import { provision } from '../../src/aws/provision.ts';
import { createTaskTokens } from '../../src/aws/task-tokens.ts';
import { answerTasks } from '../../src/batch/answer-tasks.ts';
import { createEventHandler } from '../../src/batch/batch-events.ts';
import { createEventSchedules } from '../../src/batch/event-schedules.ts';
import { limitsFileSchema } from '../../src/core/limits.ts';
import { stepsSchema } from '../../src/core/pipeline.ts';
import { scheduleRequestSchema } from '../../src/core/schedule-request.ts';
import { readConfig } from '../../src/runtime/config.ts';
import { readLanes } from '../../src/runtime/config-files.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { batchKey, batchObjects } from '../../src/state/batch-item.ts';
import { listBatches } from '../../src/state/list-batches.ts';
import { openState } from '../../src/state/open-state.ts';
import { createPrepareBatch } from '../../src/state/prepare-batch.ts';
import { createSchedule } from '../../src/state/schedules.ts';
import { eventually } from './eventually.ts';
import { silentLogger } from './silent-logger.ts';

/**
 * What starts batches from outside, against a LocalStack that runs already:
 *
 *     AWS_ENDPOINT_URL=http://127.0.0.1:4566 npm run localstack:batch-events
 *
 * Provisions twice under names of its own; then an upload by S3's own notification, an event by a rule of EventBridge, and the example state
 * machine of docs/step-functions each start a batch (which is ended by hand: no scheduler runs). Prints what it saw. Exits
 * with 0 if all of it is as it should be, else with 1.
 */

let isGood = true;
function see(what: string, expected: unknown, found: unknown): void {
  const isSame = JSON.stringify(expected) === JSON.stringify(found);
  isGood &&= isSame;
  process.stdout.write(`${isSame ? 'ok  ' : 'NOT '} ${what}${isSame ? '' : `: ${JSON.stringify(found)}`}\n`);
}

const tenant = 'acme';
const lanes = readLanes('config');
const steps = stepsSchema.parse([{ name: 'ask', type: 'inference', model: lanes.all[0]?.models[0] }]);
const pipelines = new Map([['reviews', { steps }]]);
const limits = limitsFileSchema.parse({ default: { submitsPerSecond: 10, s3AllowList: [] } });
const logger = silentLogger();

/** Stores, queues and handlers of a deployment of its own. */
async function open(endpoint: string) {
  const run = randomBytes(3).toString('hex');
  const env = {
    ...localEnvironment({}, { awsUrl: endpoint, dynamodbUrl: endpoint, bedrockUrl: endpoint }),
    PENSTOCK_PREFIX: `b${run}-`,
    PENSTOCK_BUCKET: `penstock-${run}`,
  };
  Object.assign(process.env, env);
  const config = readConfig(env);
  const { state, clients } = openState(config, createMetrics());
  for (const time of ['once', 'again'])
    see(`provisioned ${time}`, undefined, await provision({ clients, config, lanes, logger }));
  const prepare = createPrepareBatch({ state, lanes, limits, pipelines });
  const tasks = createTaskTokens(clients.tasks);
  const schedules = createEventSchedules({ state, logger }, delay);
  const deps = { state, lanes, limits, logger, prepare, tasks, schedules };
  const queue = `${config.prefix}batch-events`;
  const handle = createEventHandler(deps);
  /** Takes messages until the tenant has so many batches; gives their inputs. */
  const batchesAfter = async (count: number) =>
    await eventually(
      async () => {
        for (const message of await state.queues.receiveNow(queue, 10, 30))
          if ((await handle(message)).kind === 'delete') await state.queues.delete(queue, message.receiptHandle);
        const { batches } = await listBatches(state, tenant, {}, 100, undefined);
        return batches.length >= count && batches.map(({ batch }) => batch);
      },
      { timeoutMs: 10_000, what: `${count} batches` },
    );
  return { config, state, clients, deps, queue, batchesAfter };
}
type Opened = Awaited<ReturnType<typeof open>>;

async function upload({ config, state, clients, batchesAfter }: Opened): Promise<void> {
  const request = {
    name: 'uploads',
    event: { source: ['aws.s3'], detail: { object: { key: [{ prefix: `${tenant}/in/` }] } } },
    pipeline: 'reviews',
  };
  await createSchedule(state, tenant, scheduleRequestSchema.parse(request));
  for (const Key of [`${tenant}/in/red flower+1.jsonl`, `${tenant}/in/picture.png`])
    await clients.s3.send(new PutObjectCommand({ Bucket: config.bucket, Key, Body: '{"a":1}\n' }));
  const [batch] = await batchesAfter(1);
  see('an upload starts a batch', `s3://${config.bucket}/${tenant}/in/red flower+1.jsonl`, batch?.inputUri);
}

async function busEvent({ config, state, clients, queue, batchesAfter }: Opened): Promise<void> {
  const input = `s3://${config.bucket}/${tenant}/nightly/`;
  const request = { name: 'days', event: { source: ['shop'], detail: { day: [3] } }, input, pipeline: 'reviews' };
  await createSchedule(state, tenant, scheduleRequestSchema.parse(request));
  const { Attributes } = await clients.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: await state.queues.url(queue), AttributeNames: ['QueueArn'] }),
  );
  const Name = queue;
  await clients.events.send(new PutRuleCommand({ Name, EventPattern: JSON.stringify({ source: ['shop'] }) }));
  const Targets = [{ Id: 'queue', Arn: Attributes?.QueueArn as string }];
  await clients.events.send(new PutTargetsCommand({ Rule: Name, Targets }));
  const entry = { Source: 'shop', DetailType: 'Day closed', Detail: JSON.stringify({ day: 3 }) };
  await clients.events.send(new PutEventsCommand({ Entries: [entry] }));
  const found = await batchesAfter(2);
  see(
    'an event by a rule starts a batch',
    true,
    found.some(({ inputUri }) => inputUri === input),
  );
}

async function stateMachine(opened: Opened): Promise<void> {
  const { config, state, clients, deps, queue, batchesAfter } = opened;
  const definition = await readFile('docs/step-functions/start-batch.asl.json', 'utf8');
  const { stateMachineArn } = await clients.tasks.send(
    new CreateStateMachineCommand({
      name: `${config.prefix}reviews`,
      definition,
      roleArn: 'arn:aws:iam::000000000000:role/any',
    }),
  );
  const run = async (input: string): Promise<string> => {
    const text = JSON.stringify({ queueUrl: await state.queues.url(queue), tenant, input });
    const started = await clients.tasks.send(new StartExecutionCommand({ stateMachineArn, input: text }));
    return started.executionArn as string;
  };
  const ended = async (executionArn: string) =>
    await eventually(
      async () => {
        const execution = await clients.tasks.send(new DescribeExecutionCommand({ executionArn }));
        return execution.status !== 'RUNNING' && execution;
      },
      { timeoutMs: 10_000, what: 'the execution has ended' },
    );
  const good = await run(`s3://${config.bucket}/${tenant}/machine/`);
  const batches = await batchesAfter(3);
  const batch = batches.find(({ taskToken }) => taskToken !== undefined);
  see('a state machine starts a batch', `s3://${config.bucket}/${tenant}/machine/`, batch?.inputUri);
  see('the execution is in its metadata', good.split(':').at(-1), batch?.metadata?.execution);
  const batchId = batch?.pk ?? '';
  const manifest = { batchId, counts: { succeeded: 1 } };
  const file = `${batchObjects(tenant, batchId)}manifest.json`;
  await state.objects.putText(file, JSON.stringify(manifest), 'application/json');
  const set = { status: 'succeeded', results: { manifest: 'manifest.json' } };
  await state.tables.update('batches', batchKey(batchId), { set });
  await answerTasks(deps);
  const { status, output } = await ended(good);
  see('its output is the manifest', ['SUCCEEDED', manifest], [status, JSON.parse(output ?? 'null')]);
  see('the token is used up', 'gone', await deps.tasks.heartbeat(batch?.taskToken ?? ''));
  const wrong = await run('s3://somewhere/else/');
  await batchesAfterRefusal(opened);
  const failed = await ended(wrong);
  see('a wrong input fails it', ['FAILED', 'validation_failed'], [failed.status, failed.error]);
  see('and says why', true, failed.cause?.startsWith('input: '));
}

/** Takes the next message, which starts nothing. */
async function batchesAfterRefusal({ state, deps, queue }: Opened): Promise<void> {
  const handle = createEventHandler(deps);
  await eventually(
    async () => {
      const messages = await state.queues.receiveNow(queue, 1, 30);
      for (const message of messages) await handle(message);
      return messages.length > 0;
    },
    { timeoutMs: 10_000, what: 'the message of the state machine' },
  );
}

const endpoint = process.env.AWS_ENDPOINT_URL;
if (endpoint === undefined) throw new Error('AWS_ENDPOINT_URL=http://127.0.0.1:4566 npm run localstack:batch-events');
const opened = await open(endpoint);
for (const look of [upload, busEvent, stateMachine]) await look(opened);
opened.clients.destroy();
process.exitCode = isGood ? 0 : 1;
