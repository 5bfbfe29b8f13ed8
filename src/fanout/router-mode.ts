import { randomBytes } from 'node:crypto';
import { createEventBus } from '../aws/event-bus.ts';
import { holdMessages } from '../aws/held-messages.ts';
import type { MessageEnd } from '../aws/message-end.ts';
import { openConnections } from '../aws/open-connections.ts';
import { createOutgoingHttp } from '../aws/outgoing-http.ts';
import { persist } from '../aws/persist.ts';
import type { ReceivedMessage } from '../aws/queues.ts';
import { busName } from '../aws/resource-names.ts';
import { serveQueue } from '../aws/serve-queue.ts';
import { fanoutMessageSchema, fanoutQueue } from '../core/fanout-message.ts';
import { eventsQueue, type JobEvent, jobEventSchema } from '../core/job-event.ts';
import { readWebhookMessage, type WebhookMessage, writeWebhookMessage } from '../core/webhook-message.ts';
import { ConfigError } from '../runtime/config.ts';
import { readFanoutRules } from '../runtime/config-files.ts';
import { createExpressions, type Expressions } from '../runtime/expressions.ts';
import { startOpsServer } from '../runtime/ops-server.ts';
import type { ProcessDeps, Stop } from '../runtime/process-deps.ts';
import { openState } from '../state/open-state.ts';
import { createStoreReadiness } from '../state/store-readiness.ts';
import { deadlineStep } from './deadline-step.ts';
import type { WebhookDeps } from './deliver-webhook.ts';
import { createGather, type Gather } from './gather.ts';
import { joinBranches, joinStep } from './join-step.ts';
import { expressionErrors, planByRules } from './plan-by-rules.ts';
import { createPlanCache } from './plan-cache.ts';
import type { RouterDeps } from './router-deps.ts';
import { checkRouting } from './routing-check.ts';
import { splitStep } from './split-step.ts';
import { webhookStep } from './webhook-step.ts';

/** Attempts at webhooks under way, of the slots below. */
const mostWebhooks = 10;
type Webhooks = WebhookDeps & { underWay: number };

/** Messages of one queue at a time: each waits for DynamoDB most of its time. */
const slots = 20;
/** After a message that could not be handled, or read. */
const laterSeconds = 5;
const unreadableSeconds = 120;

/** Of one expression of a rule: splitting a text takes milliseconds. */
const expressionMs = 2_000;
const expressionMb = 128;

/** Starts the fanout-router mode: splits, joins, delivers. @throws ConfigError */
export async function startRouter(deps: ProcessDeps): Promise<Stop> {
  const { config, logger, metrics, lanes } = deps;
  const connections = openConnections(deps);
  const { state, clients } = openState(config, metrics, connections);
  const held = holdMessages({ queues: state.queues, logger, now: state.now, ...config.times });
  const expressions = createExpressions({ timeoutMs: expressionMs, memoryMb: expressionMb, logger });
  const plan = planByRules({ rules: checkedRules(config.configDir, expressions), expressions });
  const bus = config.fanoutBus === 'eventbridge' ? createEventBus(clients.events, busName(config.prefix)) : undefined;
  const router: RouterDeps = {
    state,
    lanes,
    metrics,
    logger,
    bus,
    planByRules: plan,
    plans: createPlanCache(state),
  };
  const webhooks: Webhooks = { underWay: 0, state, outgoing: createOutgoingHttp(config), logger, metrics };
  const stores = createStoreReadiness({ state, lanes: lanes.all });
  const routing = checkRouting({ clients, config, lanes });
  let isStopping = false;
  const ops = await startOpsServer({
    config,
    metrics,
    logger,
    readiness: async () => ({
      ...(await stores()),
      ...(await routing()),
      ...(isStopping && { process: 'is stopping' }),
    }),
  });
  const serve = (
    queue: string,
    handle: (body: unknown, message: ReceivedMessage) => Promise<MessageEnd>,
  ): Promise<Stop> =>
    persist(
      () =>
        serveQueue({
          clients,
          queues: state.queues,
          held,
          logger,
          queue: `${config.prefix}${queue}`,
          slots,
          visibilitySeconds: config.times.visibilityMs / 1000,
          handle: (message) => guarded(router, queue, message, handle),
        }),
      { logger, forMs: Number.POSITIVE_INFINITY, signal: deps.stopping },
    );
  const join = createGather<JobEvent>((parentId, events) => joinBranches(router, parentId, events));
  const stops = [
    await serve(fanoutQueue, (body) => onFanout(router, body)),
    await serve(eventsQueue, (_, message) => onEvent(router, { webhooks, join }, message)),
  ];
  logger.info(
    { opsPort: ops.port, bus: config.fanoutBus, instance: randomBytes(4).toString('hex') },
    'fanout-router is running',
  );
  return async () => {
    isStopping = true;
    await Promise.all(stops.map((stop) => stop()));
    held.stop();
    await expressions.stop();
    await connections.flush();
    connections.stop();
    await ops.stop();
    clients.destroy();
  };
}

/** @throws ConfigError */
function checkedRules(configDir: string, expressions: Expressions): ReturnType<typeof readFanoutRules> {
  const rules = readFanoutRules(configDir);
  const wrong = expressionErrors(rules.all, expressions);
  if (wrong.length > 0)
    throw new ConfigError(wrong.map((line) => `${configDir}/fanout-rules.json: ${line}`).join('\n'));
  return rules;
}

const unreadable: MessageEnd = { kind: 'hide', seconds: unreadableSeconds };

async function onFanout(router: RouterDeps, body: unknown): Promise<MessageEnd> {
  const message = fanoutMessageSchema.safeParse(body).data;
  if (message === undefined) return unreadable;
  return message.type === 'split' ? await splitStep(router, message) : await deadlineStep(router, message);
}

/** The end of a job that a fan-out or a webhook waits for, or the next attempt at a webhook. */
async function onEvent(
  router: RouterDeps,
  { webhooks, join }: { webhooks: Webhooks; join: Gather<JobEvent> },
  { body }: ReceivedMessage,
): Promise<MessageEnd> {
  const webhook = readWebhookMessage(body);
  if (webhook.kind === 'webhook') return await onWebhook(router, webhooks, webhook.message);
  const event = jobEventSchema.safeParse(parse(body)).data;
  if (event === undefined) return unreadable;
  // Sent before the join, and again if that fails: an attempt that was made is not made twice.
  if (event.hasWebhook === true) {
    const { id: jobId, generation, tenant } = event;
    await sendWebhook(router, { v: 1, type: 'webhook', jobId, generation, tenant, attempt: 1, notBefore: 0 }, 0);
  }
  return await joinStep(router, join, event);
}

async function onWebhook(router: RouterDeps, webhooks: Webhooks, message: WebhookMessage): Promise<MessageEnd> {
  // Receivers that hang must not hold up the joins, which come through the same queue.
  if (webhooks.underWay >= mostWebhooks) return { kind: 'hide', seconds: 1 };
  webhooks.underWay += 1;
  const step = await webhookStep(webhooks, message).finally(() => {
    webhooks.underWay -= 1;
  });
  if (step !== 'done') await sendWebhook(router, step.sendAgain, step.delaySeconds);
  return { kind: 'delete' };
}

async function sendWebhook({ state }: RouterDeps, message: WebhookMessage, delaySeconds: number): Promise<void> {
  const delay = delaySeconds > 0 ? { delaySeconds } : {};
  await state.queues.send(`${state.prefix}${eventsQueue}`, {
    body: writeWebhookMessage(message),
    groupId: message.tenant,
    ...delay,
  });
}

/** Whatever goes wrong brings the message back: every step is safe to run again. */
async function guarded(
  { logger }: RouterDeps,
  queue: string,
  message: ReceivedMessage,
  handle: (body: unknown, message: ReceivedMessage) => Promise<MessageEnd>,
): Promise<MessageEnd> {
  try {
    return await handle(parse(message.body), message);
  } catch (error) {
    logger.warn({ err: error, queue }, 'could not handle a message; it comes back');
    return { kind: 'hide', seconds: laterSeconds };
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
