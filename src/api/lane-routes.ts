import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { pauseLane, resumeLane } from '../state/lane-pause.ts';
import type { Api, ApiDeps } from './api-deps.ts';
import { noBody } from './api-schemas.ts';
import type { Authenticate } from './authenticate.ts';
import { createLaneReports, laneBody } from './lane-report.ts';
import { sendProblem } from './problem.ts';
import { needsKey, problemResponses } from './route-docs.ts';

const laneParams = z.object({ lane: z.string() });
const pauseBody = z.strictObject({ reason: z.string().min(1).max(400).optional() }).optional();

/** What the lanes are doing, and the operator's hand on them. Lanes are the whole deployment's: they have no tenant. */
export function serveLanes(app: Api, deps: ApiDeps & { authenticate: Authenticate }): void {
  const { authenticate, state, lanes } = deps;
  const reports = createLaneReports(state, lanes);
  const security = needsKey();

  app.route({
    method: 'GET',
    url: '/v1/lanes',
    onRequest: authenticate('read'),
    schema: {
      operationId: 'listLanes',
      summary: 'Read the lanes: models, quota, backlog, slots',
      description: 'Needs the scope `read`.',
      tags: ['lanes'],
      security,
      response: { 200: z.object({ items: z.array(laneBody) }), ...problemResponses() },
    },
    handler: async (_request, reply) => reply.send({ items: await reports.all() }),
  });

  app.route({
    method: 'POST',
    url: '/v1/lanes/:lane/pause',
    onRequest: authenticate('operate'),
    schema: {
      operationId: 'pauseLane',
      summary: 'Pause a lane',
      description:
        'Nothing more of it is started, until it is resumed; its jobs stay queued. Needs the scope `operate`.',
      tags: ['lanes'],
      security,
      params: laneParams,
      body: pauseBody,
      response: { 200: laneBody, ...problemResponses('not_found', 'validation_failed') },
    },
    handler: async (request, reply) => {
      const lane = lanes.byName(request.params.lane);
      if (lane === undefined) return noSuchLane(reply);
      const detail = request.body?.reason ?? 'paused by an operator';
      await pauseLane(state, lane.name, { reason: 'operator', detail });
      request.log.info({ lane: lane.name }, 'lane paused');
      return reply.send(await reports.one(lane));
    },
  });

  app.route({
    method: 'POST',
    url: '/v1/lanes/:lane/resume',
    onRequest: authenticate('operate'),
    schema: {
      operationId: 'resumeLane',
      summary: 'Resume a lane',
      description: 'Whoever paused it. Needs the scope `operate`.',
      tags: ['lanes'],
      security,
      params: laneParams,
      body: noBody,
      response: { 200: laneBody, ...problemResponses('not_found', 'validation_failed') },
    },
    handler: async (request, reply) => {
      const lane = lanes.byName(request.params.lane);
      if (lane === undefined) return noSuchLane(reply);
      await resumeLane(state, lane.name);
      request.log.info({ lane: lane.name }, 'lane resumed');
      return reply.send(await reports.one(lane));
    },
  });
}

function noSuchLane(reply: FastifyReply): FastifyReply {
  return sendProblem(reply, { code: 'not_found', detail: 'there is no such lane' });
}
