import { randomBytes } from 'node:crypto';
import { EventBridgeClient, ListRulesCommand, ListTargetsByRuleCommand } from '@aws-sdk/client-eventbridge';
import { GetSubscriptionAttributesCommand, ListSubscriptionsByTopicCommand, SNSClient } from '@aws-sdk/client-sns';
import { GetQueueAttributesCommand, GetQueueUrlCommand, SQSClient } from '@aws-sdk/client-sqs';
import { type Child, startChild } from '../../local/child.ts';
import { localEnvironment } from '../../local/local-environment.ts';
import { waitReady } from '../../local/wait-ready.ts';
import { createConfigDir } from './config-dir.ts';
import { childrenOf, type FanoutView, said, submitFanout } from './fanouts.ts';
import { freePort } from './free-port.ts';
import { jobClient } from './job-client.ts';
import { answerText } from './load.ts';
import { metricSum, parseMetrics } from './metrics-text.ts';
import { type ServiceProcess, startService } from './service-process.ts';
import { claude, nova, testLanes, testLimits } from './test-lanes.ts';

/**
 * One fan-out end to end against a LocalStack that runs already, by SNS or by EventBridge:
 *
 *     AWS_ENDPOINT_URL=http://127.0.0.1:4566 npm run localstack:fanout -- sns | eventbridge
 *
 * Provisions twice under names of its own, looks at what that made (subscriptions with their filter policies, rules with
 * their targets, policies of queues), starts api, worker, router and the Bedrock emulator, asks three branches on two
 * lanes, and prints what it saw. Exits with 0 if all of it is as it should be, else with 1.
 */

type Bus = 'sns' | 'eventbridge';
const lanes = ['nova-lite', 'claude-sonnet'];
const priorities = ['high', 'normal', 'low'];
const stops: (() => Promise<unknown>)[] = [];
let isGood = true;

function see(what: string, expected: unknown, found: unknown): void {
  const isSame = JSON.stringify(expected) === JSON.stringify(found);
  isGood &&= isSame;
  process.stdout.write(`${isSame ? 'ok  ' : 'NOT '} ${what}${isSame ? '' : `: ${JSON.stringify(found)}`}\n`);
}

async function main(): Promise<void> {
  const bus = process.argv[2] as Bus;
  const endpoint = process.env.AWS_ENDPOINT_URL;
  if ((bus !== 'sns' && bus !== 'eventbridge') || endpoint === undefined)
    throw new Error('AWS_ENDPOINT_URL=http://127.0.0.1:4566 npm run localstack:fanout -- sns | eventbridge');
  const run = randomBytes(3).toString('hex');
  const prefix = `f${run}-`;
  const bedrockPort = await freePort();
  const bedrockUrl = `http://127.0.0.1:${bedrockPort}`;
  const config = await createConfigDir({ lanes: testLanes(), limits: testLimits });
  stops.push(config.remove);
  const env = {
    ...localEnvironment(withoutOwn(process.env), { awsUrl: endpoint, dynamodbUrl: endpoint, bedrockUrl }),
    PENSTOCK_PREFIX: prefix,
    PENSTOCK_BUCKET: `penstock-${run}`,
    PENSTOCK_CONFIG_DIR: config.path,
    PENSTOCK_LINGER_SECONDS: '0',
    FANOUT_BUS: bus,
  };
  await startEmulator(env, bedrockPort, bedrockUrl);
  for (const time of ['once', 'again']) see(`provisioned ${time}`, 0, await provision(env));
  await lookAtRouting(bus, prefix, endpoint);
  const [api, , router] = await startModes(env);
  await runFanout(api as ServiceProcess, router as ServiceProcess, bus);
}

async function startEmulator(env: NodeJS.ProcessEnv, port: number, url: string): Promise<void> {
  const child = start('bedrock', ['local/bedrock/main.ts'], {
    ...env,
    EMULATOR_PORT: String(port),
    EMULATOR_LATENCY: '0',
  });
  stops.push(() => child.stop(3_000));
  await waitReady(`${url}/_emulator/health`, { timeoutMs: 30_000, signal: new AbortController().signal });
}

async function provision(env: NodeJS.ProcessEnv): Promise<number | null> {
  return (await start('provision', ['src/main.ts', 'provision'], env).exited).code;
}

function start(name: string, args: string[], env: NodeJS.ProcessEnv): Child {
  return startChild({ name, args, env, onLine: (line) => say(name, line) });
}

/** Warnings and errors of the processes; what cannot be read as a log line is one too. */
function say(name: string, line: string): void {
  const level = /"level":(\d+)/.exec(line)?.[1];
  if (level === undefined || Number(level) >= 40) process.stderr.write(`${name} ${line}\n`);
}

/** api, worker and router, ready. */
async function startModes(env: NodeJS.ProcessEnv): Promise<ServiceProcess[]> {
  const modes = ['api', 'worker', 'fanout-router'] as const;
  return await Promise.all(
    modes.map(async (mode) => {
      const service = await startService({
        name: mode,
        mode,
        env,
        ...(mode === 'api' && { port: await freePort() }),
        opsPort: await freePort(),
        onStart: () => undefined,
      });
      stops.unshift(async () => see(`${mode} stopped`, [], await service.stop(30_000)));
      return service;
    }),
  );
}

/** What decides where a message goes, as it is stored. */
async function lookAtRouting(bus: Bus, prefix: string, endpoint: string): Promise<void> {
  const options = {
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  };
  const [sns, sqs, events] = [
    new SNSClient(options),
    new SQSClient({ ...options, useQueueUrlAsEndpoint: false }),
    new EventBridgeClient(options),
  ];
  const queueOf = async (name: string) => {
    const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: name }));
    const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
    return { arn: Attributes?.QueueArn ?? '', policy: JSON.parse(Attributes?.Policy ?? '{}') as Policy };
  };
  const router = await queueOf(`${prefix}events`);
  const topic = (name: string) => router.arn.replace(':sqs:', ':sns:').replace(/[^:]+$/, `${prefix}${name}`);
  const filters = await subscriptions(sns, topic('requests'));
  const own = await subscriptions(sns, topic('events'));
  see('the router gets the ends of branches, raw', [{ router: ['yes'] }], [own.get(router.arn)]);
  see('SNS may send them', [topic('events')], sendersOf(router.policy, 'sns.amazonaws.com'));
  for (const lane of lanes)
    for (const priority of priorities) {
      const name = `${prefix}${lane}${priority === 'normal' ? '' : `-${priority}`}`;
      const queue = await queueOf(name);
      const filter = { lane: [lane], priority: [priority] };
      see(`${lane} ${priority}: subscribed, filtered, raw`, filter, filters.get(queue.arn));
      see(`${lane} ${priority}: SNS may send`, [topic('requests')], sendersOf(queue.policy, 'sns.amazonaws.com'));
      if (bus === 'sns') continue;
      const EventBusName = `${prefix}penstock`;
      const { Rules = [] } = await events.send(new ListRulesCommand({ EventBusName, NamePrefix: name }));
      const rule = Rules.find((one) => one.Name === name);
      const pattern = { source: ['penstock'], detail: filter };
      see(`${lane} ${priority}: rule`, ['ENABLED', pattern], [rule?.State, JSON.parse(rule?.EventPattern ?? '{}')]);
      const { Targets = [] } = await events.send(new ListTargetsByRuleCommand({ EventBusName, Rule: name }));
      const targets = Targets.map(({ Arn, InputPath }) => [Arn, InputPath]);
      see(`${lane} ${priority}: target`, [[queue.arn, '$.detail']], targets);
      see(`${lane} ${priority}: EventBridge may send`, [rule?.Arn], sendersOf(queue.policy, 'events.amazonaws.com'));
    }
  for (const client of [sns, sqs, events]) client.destroy();
}

type Policy = {
  Statement?: { Principal: { Service: string }; Condition: { ArnLike: { 'aws:SourceArn': string } } }[];
};

function sendersOf({ Statement = [] }: Policy, service: string): string[] {
  return Statement.filter(({ Principal }) => Principal.Service === service).map(
    ({ Condition }) => Condition.ArnLike['aws:SourceArn'],
  );
}

/** The filter policies of a topic's raw subscriptions, by queue. */
async function subscriptions(sns: SNSClient, TopicArn: string): Promise<Map<string, unknown>> {
  const { Subscriptions = [] } = await sns.send(new ListSubscriptionsByTopicCommand({ TopicArn }));
  const found = new Map<string, unknown>();
  for (const { Endpoint = '', SubscriptionArn } of Subscriptions) {
    const { Attributes } = await sns.send(new GetSubscriptionAttributesCommand({ SubscriptionArn }));
    const isRaw = Attributes?.RawMessageDelivery === 'true';
    found.set(Endpoint, isRaw ? JSON.parse(Attributes?.FilterPolicy ?? '{}') : 'not raw');
  }
  return found;
}

async function runFanout(api: ServiceProcess, router: ServiceProcess, bus: Bus): Promise<void> {
  const client = jobClient(() => [api]);
  const before = performance.now();
  const { id } = await submitFanout(client, {
    input: said('What is a penstock?'),
    branches: [
      { name: 'one', model: nova },
      { name: 'two', model: claude },
      { name: 'three', model: nova, input: said('And a turbine?') },
    ],
    reduce: { type: 'synthesize', model: claude },
  });
  const [parent] = (await client.waitForFinal([id], { timeoutMs: 60_000 })) as [FanoutView];
  const tookMs = Math.round(performance.now() - before);
  process.stdout.write(`     ${id} ended ${parent.status} after ${tookMs} ms\n`);
  for (const branch of parent.output.branches)
    process.stdout.write(`     ${branch.name}: ${branch.status}: ${answerText(branch as never).slice(0, 80)}\n`);
  see('the fan-out', 'succeeded', parent.status);
  see(
    'its branches',
    ['succeeded', 'succeeded', 'succeeded'],
    parent.output.branches.map(({ status }) => status),
  );
  see('its synthesis', true, parent.output.synthesis?.includes(claude));
  see('its children', ['claude-sonnet', 'claude-sonnet', 'nova-lite', 'nova-lite'], await lanesOf(client, id));
  const metrics = parseMetrics(await (await fetch(`${router.opsUrl}/metrics`)).text());
  const requests = (service: string, operation: string) =>
    metricSum(metrics, 'penstock_aws_requests_total', { service, operation });
  const used = { puts: requests('EventBridge', 'PutEvents') > 0, publishes: requests('SNS', 'PublishBatch') };
  process.stdout.write(
    `     the router sent ${requests('EventBridge', 'PutEvents')} PutEvents, ${used.publishes} PublishBatch\n`,
  );
  see(`branches went by ${bus}`, bus === 'eventbridge', used.puts);
}

async function lanesOf(client: Parameters<typeof childrenOf>[0], id: string): Promise<string[]> {
  return (await childrenOf(client, id)).map(({ lane }) => String(lane)).sort();
}

function withoutOwn(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(PENSTOCK|EMULATOR)_/.test(name)));
}

try {
  await main();
} catch (error) {
  isGood = false;
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
} finally {
  for (const stop of stops) await stop();
}
process.stdout.write(isGood ? 'all as it should be\n' : 'something is NOT as it should be\n');
process.exitCode = isGood ? 0 : 1;
