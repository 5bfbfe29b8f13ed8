import { randomUUID } from 'node:crypto';
import { defineCommand } from 'citty';
import { listLines, summaryLines } from './batch-text.ts';
import { batchListSchema, batchViewSchema, readAs } from './batch-view.ts';
import { CliError, wrongUsage } from './cli-error.ts';
import type { CliDeps, CliGroup } from './cli-group.ts';
import { readBatch } from './follow-batch.ts';
import { pairs, positiveInteger, positiveNumber } from './option-values.ts';
import { saveBody } from './save-body.ts';
import { print, say } from './terminal.ts';
import { inputOf } from './upload.ts';
import { watchBatch } from './watch-batch.ts';

const id = { type: 'positional', required: true, description: 'the id of a batch' } as const;
const out = { type: 'string', valueHint: 'file', description: 'write to this file instead of stdout' } as const;
const json = { type: 'boolean', description: 'the answer of the server as it is' } as const;
const watch = {
  type: 'boolean',
  description: 'show the progress until the end; Ctrl-C leaves the batch running',
} as const;

/** `penstock batch ...`. */
export function batchCommands(deps: CliDeps): CliGroup {
  return {
    description: 'take a dataset through a pipeline',
    commands: {
      run: runCommand(deps),
      status: statusCommand(deps),
      list: listCommand(deps),
      output: fileCommand(deps, 'output', 'the answers, one line for each record that succeeded'),
      errors: fileCommand(deps, 'errors', 'the records that failed, with the line of each and why'),
      manifest: fileCommand(deps, 'manifest', 'what the batch was made of, and what came of it'),
      report: reportCommand(deps),
      cancel: changeCommand(deps, 'cancel', 'stop it; what has been answered is kept'),
      retry: changeCommand(deps, 'retry', 'do the records again that failed or were cancelled'),
    },
  };
}

function runCommand({ server, terminal }: CliDeps) {
  return defineCommand({
    meta: { name: 'run', description: 'upload a dataset if it is here, and start a batch' },
    args: {
      file: {
        type: 'positional',
        required: true,
        description: 'JSONL or CSV, a folder of pictures or documents, an s3:// URI, or the id of a file',
      },
      pipeline: { type: 'string', required: true, valueHint: 'name', description: 'what to do with each record' },
      watch,
      'max-cost': { type: 'string', valueHint: 'usd', description: 'begin no record once this is spent' },
      'max-records': { type: 'string', valueHint: 'count', description: 'refuse a larger dataset' },
      metadata: {
        type: 'string',
        valueHint: 'key=value',
        description: 'kept with the batch; may be given more than once',
      },
    },
    run: async ({ args, rawArgs }) => {
      // All that may be wrong with what was typed is looked at before anything is uploaded.
      const choices = {
        pipeline: args.pipeline,
        maxCostUsd: positiveNumber('max-cost', args['max-cost']),
        maxRecords: positiveInteger('max-records', args['max-records']),
        metadata: pairs('metadata', rawArgs),
      };
      const input = await inputOf({ server: server(), terminal }, args.file);
      // With a key, asking again after a 503 cannot start two.
      const headers = { 'idempotency-key': randomUUID() };
      const answer = await server().json('POST', '/v1/batches', { body: { input, ...choices }, headers });
      const batch = readAs(batchViewSchema, answer);
      if (!args.watch) {
        print(terminal, batch.id);
        say(terminal, `Started. To follow it: penstock batch status ${batch.id} --watch`);
        return 0;
      }
      say(terminal, `Batch ${batch.id}; Ctrl-C leaves it running`);
      return watchBatch(server(), batch.id, terminal);
    },
  });
}

function statusCommand({ server, terminal }: CliDeps) {
  return defineCommand({
    meta: { name: 'status', description: 'how a batch stands' },
    args: { id, watch, json },
    run: async ({ args }) => {
      if (args.watch) return watchBatch(server(), args.id, terminal);
      if (args.json) print(terminal, JSON.stringify(await server().json('GET', pathOf(args.id)), undefined, 2));
      else for (const line of summaryLines(await readBatch(server(), args.id))) print(terminal, line);
      return 0;
    },
  });
}

function listCommand({ server, terminal }: CliDeps) {
  return defineCommand({
    meta: { name: 'list', description: 'batches, newest first' },
    args: {
      limit: { type: 'string', valueHint: 'count', default: '20', description: 'how many at most, up to 100' },
      json,
    },
    run: async ({ args }) => {
      const limit = positiveInteger('limit', args.limit);
      const answer = await server().json('GET', `/v1/batches?limit=${limit}`);
      if (args.json) print(terminal, JSON.stringify(answer, undefined, 2));
      else for (const line of listLines(readAs(batchListSchema, answer).items)) print(terminal, line);
      return 0;
    },
  });
}

function fileCommand({ server, terminal }: CliDeps, name: 'output' | 'errors' | 'manifest', description: string) {
  return defineCommand({
    meta: { name, description },
    args: { id, out },
    run: async ({ args }) => {
      await saveBody(await server().open(`${pathOf(args.id)}/${name}`), args.out, terminal);
      return 0;
    },
  });
}

function reportCommand({ server, terminal }: CliDeps) {
  return defineCommand({
    meta: { name: 'report', description: 'a report, as HTML' },
    args: {
      id,
      step: { type: 'positional', required: false, description: 'which, where the pipeline has several' },
      out,
    },
    run: async ({ args }) => {
      const { urls } = await readBatch(server(), args.id);
      const path = chooseReport(urls.reports ?? {}, args.step);
      await saveBody(await server().open(path, { accept: 'text/html' }), args.out, terminal);
      return 0;
    },
  });
}

function chooseReport(reports: Readonly<Record<string, string>>, step: string | undefined): string {
  const names = Object.keys(reports);
  if (names.length === 0) throw new CliError('the batch has no report, or none yet');
  if (step === undefined && names.length > 1) throw wrongUsage(`which report? It has ${names.join(', ')}`);
  const path = reports[step ?? (names[0] as string)];
  if (path === undefined) throw wrongUsage(`there is no report ${step}; it has ${names.join(', ')}`);
  return path;
}

function changeCommand({ server, terminal }: CliDeps, name: 'cancel' | 'retry', description: string) {
  return defineCommand({
    meta: { name, description },
    args: { id },
    run: async ({ args }) => {
      const batch = readAs(batchViewSchema, await server().json('POST', `${pathOf(args.id)}/${name}`));
      for (const line of summaryLines(batch)) print(terminal, line);
      return 0;
    },
  });
}

function pathOf(batchId: string): string {
  return `/v1/batches/${encodeURIComponent(batchId)}`;
}
