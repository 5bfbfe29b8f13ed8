import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { repository } from '../../local/child.ts';

/**
 * What a part of the service may ask of AWS, found in its source: all that is reachable from one function, by names.
 * A name that is only mentioned counts as used, so this finds too much rather than too little.
 */

/** `jobs GetItem`, `queues SendMessage`, ...: the resource, and the IAM action without its service. */
export type Usage = Set<string>;

/**
 * The doors' methods, with what each asks for. A table's or topic's method is told by its first argument; an action with a
 * resource of its own is written out.
 */
const methods: Record<string, Record<string, string[]>> = {
  tables: {
    get: ['GetItem'],
    getMany: ['BatchGetItem'],
    put: ['PutItem'],
    update: ['UpdateItem'],
    delete: ['DeleteItem'],
    partition: ['Query'],
  },
  queues: {
    url: ['GetQueueUrl'],
    depth: ['GetQueueUrl', 'GetQueueAttributes'],
    send: ['GetQueueUrl', 'SendMessage'],
    delete: ['GetQueueUrl', 'DeleteMessage'],
    hide: ['GetQueueUrl', 'ChangeMessageVisibility'],
    receiveNow: ['GetQueueUrl', 'ReceiveMessage'],
  },
  objects: {
    putText: ['PutObject'],
    putBytes: ['PutObject'],
    upload: ['PutObject', 'AbortMultipartUpload'],
    getText: ['GetObject'],
    getBytes: ['GetObject'],
    open: ['GetObject'],
    head: ['GetObject'],
    list: ['ListBucket'],
    presign: ['GetObject'],
    deleteUnder: ['ListBucket', 'DeleteObject'],
    check: ['ListBucket'],
  },
  bedrock: {
    converse: ['InvokeModel'],
    converseStream: ['InvokeModelWithResponseStream'],
    invoke: ['InvokeModel'],
    startAsync: ['InvokeModel'],
    readAsync: ['GetAsyncInvoke'],
  },
  // The ARN of a topic is made of a queue's.
  topics: {
    publish: ['Publish', 'queues GetQueueUrl', 'queues GetQueueAttributes'],
    publishAll: ['Publish', 'queues GetQueueUrl', 'queues GetQueueAttributes'],
  },
  bus: { putAll: ['PutEvents'] },
  tasks: {
    succeed: ['SendTaskSuccess'],
    fail: ['SendTaskFailure'],
    heartbeat: ['SendTaskHeartbeat'],
  },
  agents: { invoke: ['bedrock InvokeAgent'], retrieve: ['bedrock Retrieve'] },
};

/** Functions that ask AWS without a method of a door. */
const functions: Record<string, string[]> = {
  listByTime: ['index Query'],
  startReceiver: ['queues ReceiveMessage'],
  // Outside provisioning only the topic of requests is looked at.
  subscriptionsOf: ['requests ListSubscriptionsByTopic'],
  rulesOf: ['rules ListRules'],
};

interface Declaration {
  text: string;
  /** Names of this file's declarations and of its imports, each with the declaration that it leads to. */
  names: Map<string, string>;
}

const declarationStart = /^(?:export )?(?:async )?(?:function\*?|class|const|let|interface|type) (\w+)/;

/** All that is reachable from the declaration `name` of `file` (`src/api/api-mode.ts`). */
export function usageOf(file: string, name: string): Usage {
  const declarations = readSource();
  const usage: Usage = new Set();
  const seen = new Set<string>();
  const todo = [`${file}:${name}`];
  for (let key = todo.pop(); key !== undefined; key = todo.pop()) {
    const declaration = declarations.get(key);
    if (seen.has(key) || declaration === undefined) continue;
    seen.add(key);
    // The doors make every method; which of them are called is looked for above.
    if (!/^src\/aws\/(tables|queues|objects|bedrock|topics|event-bus|agents)\.ts$/.test(key.split(':')[0] as string))
      for (const use of usesIn(declaration.text)) usage.add(use);
    for (const word of declaration.text.match(/\w+/g) ?? []) {
      const target = declaration.names.get(word);
      if (target !== undefined) todo.push(target);
    }
  }
  return usage;
}

function usesIn(text: string): string[] {
  const doors = Object.keys(methods).join('|');
  const called = [
    ...text.matchAll(new RegExp(`\\b(${doors})\\s*\\.\\s*(\\w+)\\((?:\\s*'(\\w+)'|\\s*(\\w+)Topic\\b)?`, 'g')),
  ];
  const byMethod = called.flatMap(([, door = '', method = '', table, topic]) =>
    (methods[door]?.[method] ?? []).map((action) =>
      action.includes(' ') ? action : `${table ?? topic ?? door} ${action}`,
    ),
  );
  const byFunction = Object.entries(functions).flatMap(([word, uses]) =>
    new RegExp(`\\b${word}\\(`).test(text) ? uses : [],
  );
  return [...byMethod, ...byFunction];
}

/** Every declaration at the top of a file of `src`, by `file:name`. */
function readSource(): Map<string, Declaration> {
  const all = new Map<string, Declaration>();
  for (const file of globSync('src/**/*.ts', { cwd: repository }).filter((path) => !path.endsWith('.test.ts'))) {
    const text = readFileSync(join(repository, file), 'utf8');
    const names = importedNames(file, text);
    const own: [string, Declaration][] = [];
    for (const line of text.split('\n')) {
      const started = declarationStart.exec(line)?.[1];
      if (started !== undefined) {
        names.set(started, `${file}:${started}`);
        own.push([`${file}:${started}`, { text: '', names }]);
      }
      const current = own.at(-1);
      if (current !== undefined) current[1].text += `${line}\n`;
    }
    for (const [key, declaration] of own) all.set(key, declaration);
  }
  return all;
}

function importedNames(file: string, text: string): Map<string, string> {
  const names = new Map<string, string>();
  for (const [, list = '', from = ''] of text.matchAll(/^import \{([^}]*)\} from '(\.[^']+)'/gm))
    for (const name of list.match(/\w+(?= *(?:,|$))/gm) ?? []) names.set(name, `${join(dirname(file), from)}:${name}`);
  return names;
}

/** The SDK commands that a file, or a whole folder (`src/aws/*.ts`), makes: `PutItem` for `new PutItemCommand(`. */
export function commandsIn(pattern: string): Set<string> {
  const files = globSync(pattern, { cwd: repository });
  const text = files.map((file) => readFileSync(join(repository, file), 'utf8')).join('\n');
  return new Set([...text.matchAll(/new (\w+)Command\(/g)].map((match) => match[1] as string));
}
