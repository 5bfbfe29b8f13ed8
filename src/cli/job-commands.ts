import { randomUUID } from 'node:crypto';
import { text as textOf } from 'node:stream/consumers';
import { defineCommand } from 'citty';
import { priorities } from '../core/job.ts';
import { readAs } from './batch-view.ts';
import { wrongUsage } from './cli-error.ts';
import type { CliDeps, CliGroup } from './cli-group.ts';
import { answerOf, isOver, jobLine, jobViewSchema } from './job-view.ts';
import { print, say } from './terminal.ts';
import { readJob, streamJob, waitForJob } from './wait-for-job.ts';

/** `penstock job ...`. */
export function jobCommands(deps: CliDeps): CliGroup {
  return {
    description: 'ask a model once',
    commands: { run: runCommand(deps), status: statusCommand(deps) },
    manyWords: ['run'],
  };
}

function runCommand({ server, terminal }: CliDeps) {
  return defineCommand({
    meta: { name: 'run', description: 'submit a prompt' },
    args: {
      prompt: { type: 'positional', required: true, description: 'all words that follow; - reads it from stdin' },
      model: { type: 'string', required: true, valueHint: 'id', description: 'a model of one of the lanes' },
      priority: { type: 'string', valueHint: priorities.join('|'), description: 'normal, if left out' },
      wait: { type: 'boolean', description: 'print the answer when it is there' },
      stream: { type: 'boolean', description: 'print the answer as it is made' },
    },
    run: async ({ args }) => {
      const prompt = args._.join(' ') === '-' ? await textOf(process.stdin) : args._.join(' ');
      if (prompt.trim() === '') throw wrongUsage('the prompt is empty');
      const body = {
        model: args.model,
        input: { messages: [{ role: 'user', content: [{ text: prompt }] }] },
        ...(args.priority !== undefined && { priority: args.priority }),
        ...(args.stream && { stream: true }),
      };
      const headers = { 'idempotency-key': randomUUID() };
      const job = readAs(jobViewSchema, await server().json('POST', '/v1/jobs', { body, headers }));
      if (args.stream) return streamJob(server(), job.id, terminal);
      if (args.wait) return waitForJob(server(), job.id, terminal);
      print(terminal, job.id);
      say(terminal, `Submitted. To look at it: penstock job status ${job.id}`);
      return 0;
    },
  });
}

function statusCommand({ server, terminal }: CliDeps) {
  return defineCommand({
    meta: { name: 'status', description: 'how a job stands, and its answer' },
    args: {
      id: { type: 'positional', required: true, description: 'the id of a job' },
      json: { type: 'boolean', description: 'the answer of the server as it is' },
    },
    run: async ({ args }) => {
      const path = `/v1/jobs/${encodeURIComponent(args.id)}`;
      if (args.json) print(terminal, JSON.stringify(await server().json('GET', path), undefined, 2));
      else {
        const job = await readJob(server(), args.id);
        say(terminal, jobLine(job));
        if (isOver(job) && job.status === 'succeeded') print(terminal, answerOf(job));
      }
      return 0;
    },
  });
}
