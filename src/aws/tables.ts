import {
  BatchGetCommand,
  DeleteCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { AwsError, awsCall } from './aws-error.ts';
import { jobsByTime, type TableName, tableName } from './resource-names.ts';

export type Item = Record<string, unknown>;
export interface Key {
  pk: string;
  sk: string;
}

/**
 * A condition as text: attribute names as `#name`, values as `:value`. Names are replaced for all (many are reserved
 * words), values are looked up in `values`.
 */
export interface Condition {
  expression: string;
  values?: Item;
}

/** One update: members to set, remove, add to (numbers and sets) and delete from sets. */
export interface Update {
  set?: Item;
  remove?: readonly string[];
  add?: Item;
  deleteFrom?: Item;
  condition?: Condition;
}

/** The tables as plain objects in and out. Every method throws AwsError (`unavailable`, `credentials`, ...). */
export interface Tables {
  /** A strongly consistent read. */
  get(table: TableName, key: Key): Promise<Item | undefined>;
  /** Up to 100 items, strongly consistent, in no order; missing ones are left out. */
  getMany(table: TableName, keys: readonly Key[]): Promise<Item[]>;
  /** False if the condition did not hold. Safe to run twice if the condition is. */
  put(table: TableName, item: Item & Key, condition?: Condition): Promise<boolean>;
  /** The whole item as it is after the update; undefined if the condition did not hold. */
  update(table: TableName, key: Key, update: Update): Promise<Item | undefined>;
  /** False if the condition did not hold. */
  delete(table: TableName, key: Key, condition?: Condition): Promise<boolean>;
  /** All items of a partition (of those whose sk begins with `prefix`), strongly consistent; `attributes` limits what is read of each. */
  partition(table: TableName, pk: string, attributes?: readonly string[], prefix?: string): Promise<Item[]>;
  /** A page of the index by time of `table`, newest first: keys and the index's own attributes. */
  listByTime(
    listKey: string,
    limit: number,
    startKey?: Item,
    table?: 'jobs' | 'batches',
  ): Promise<{ items: Item[]; lastKey?: Item }>;
}

/** Tables of one deployment (by its prefix). */
export function createTables(client: DynamoDBDocumentClient, prefix: string): Tables {
  const name = (table: TableName) => tableName(prefix, table);
  return {
    async get(table, key) {
      const answer = await awsCall('DynamoDB GetItem', () =>
        client.send(new GetCommand({ TableName: name(table), Key: key, ConsistentRead: true })),
      );
      return answer.Item;
    },

    async getMany(table, keys) {
      const found: Item[] = [];
      let wanted: Key[] = [...keys];
      // DynamoDB may answer a part and name the rest; each round answers at least one item.
      while (wanted.length > 0) {
        const request = { RequestItems: { [name(table)]: { Keys: wanted.slice(0, 100), ConsistentRead: true } } };
        const answer = await awsCall('DynamoDB BatchGetItem', () => client.send(new BatchGetCommand(request)));
        found.push(...(answer.Responses?.[name(table)] ?? []));
        const unanswered = answer.UnprocessedKeys?.[name(table)]?.Keys ?? [];
        wanted = [...(unanswered as Key[]), ...wanted.slice(100)];
      }
      return found;
    },

    put(table, item, condition) {
      return unlessRefused(async () => {
        await client.send(new PutCommand({ TableName: name(table), Item: item, ...conditionOf(condition) }));
      }, 'DynamoDB PutItem');
    },

    async update(table, key, update) {
      let after: Item | undefined;
      await unlessRefused(async () => {
        const answer = await client.send(
          new UpdateCommand({ TableName: name(table), Key: key, ReturnValues: 'ALL_NEW', ...updateOf(update) }),
        );
        after = answer.Attributes ?? {};
      }, 'DynamoDB UpdateItem');
      return after;
    },

    delete(table, key, condition) {
      return unlessRefused(async () => {
        await client.send(new DeleteCommand({ TableName: name(table), Key: key, ...conditionOf(condition) }));
      }, 'DynamoDB DeleteItem');
    },

    partition: (table, pk, attributes, prefix) => queryPartition(client, name(table), pk, attributes ?? [], prefix),
    listByTime: (listKey, limit, startKey, table = 'jobs') =>
      queryByTime(client, name(table), listKey, limit, startKey),
  };
}

async function queryPartition(
  client: DynamoDBDocumentClient,
  TableName: string,
  pk: string,
  attributes: readonly string[],
  prefix?: string,
): Promise<Item[]> {
  const items: Item[] = [];
  const projection = attributes.map((attribute) => `#${attribute}`).join(', ');
  const condition = prefix === undefined ? '#pk = :pk' : '#pk = :pk AND begins_with(#sk, :prefix)';
  let start: Item | undefined;
  do {
    const request = {
      TableName,
      ConsistentRead: true,
      KeyConditionExpression: condition,
      ...(projection !== '' && { ProjectionExpression: projection }),
      ExpressionAttributeNames: namesIn(`${condition} ${projection}`),
      ExpressionAttributeValues: { ':pk': pk, ...(prefix !== undefined && { ':prefix': prefix }) },
      ...(start && { ExclusiveStartKey: start }),
    };
    const answer = await awsCall('DynamoDB Query', () => client.send(new QueryCommand(request)));
    items.push(...(answer.Items ?? []));
    start = answer.LastEvaluatedKey;
  } while (start !== undefined);
  return items;
}

async function queryByTime(
  client: DynamoDBDocumentClient,
  TableName: string,
  listKey: string,
  limit: number,
  startKey?: Item,
) {
  const request = {
    TableName,
    IndexName: jobsByTime,
    KeyConditionExpression: '#listKey = :listKey',
    ExpressionAttributeNames: { '#listKey': 'listKey' },
    ExpressionAttributeValues: { ':listKey': listKey },
    ScanIndexForward: false,
    Limit: limit,
    ...(startKey && { ExclusiveStartKey: startKey }),
  };
  const answer = await awsCall('DynamoDB Query', () => client.send(new QueryCommand(request)));
  return { items: answer.Items ?? [], ...(answer.LastEvaluatedKey && { lastKey: answer.LastEvaluatedKey }) };
}

/** Runs a conditional write: true if it was made, false if its condition did not hold. */
async function unlessRefused(write: () => Promise<void>, what: string): Promise<boolean> {
  try {
    await awsCall(what, write);
    return true;
  } catch (error) {
    if (error instanceof AwsError && error.code === 'condition_failed') return false;
    throw error;
  }
}

function conditionOf(condition: Condition | undefined) {
  if (condition === undefined) return {};
  const values = prefixed(condition.values ?? {}, ':');
  return {
    ConditionExpression: condition.expression,
    ExpressionAttributeNames: namesIn(condition.expression),
    ...(Object.keys(values).length > 0 && { ExpressionAttributeValues: values }),
  };
}

function updateOf(update: Update) {
  const set = Object.entries(update.set ?? {}).filter(([, value]) => value !== undefined);
  const clauses: string[] = [];
  if (set.length > 0) clauses.push(`SET ${set.map(([key]) => `#${key} = :set_${key}`).join(', ')}`);
  if (update.remove?.length) clauses.push(`REMOVE ${update.remove.map((key) => `#${key}`).join(', ')}`);
  if (update.add)
    clauses.push(
      `ADD ${Object.keys(update.add)
        .map((key) => `#${key} :add_${key}`)
        .join(', ')}`,
    );
  if (update.deleteFrom)
    clauses.push(
      `DELETE ${Object.keys(update.deleteFrom)
        .map((key) => `#${key} :del_${key}`)
        .join(', ')}`,
    );
  const expression = clauses.join(' ');
  const values = {
    ...prefixed(Object.fromEntries(set), ':set_'),
    ...prefixed(update.add ?? {}, ':add_'),
    ...prefixed(update.deleteFrom ?? {}, ':del_'),
    ...prefixed(update.condition?.values ?? {}, ':'),
  };
  return {
    UpdateExpression: expression,
    ...(update.condition && { ConditionExpression: update.condition.expression }),
    ExpressionAttributeNames: namesIn(`${expression} ${update.condition?.expression ?? ''}`),
    ...(Object.keys(values).length > 0 && { ExpressionAttributeValues: values }),
  };
}

function prefixed(values: Item, prefix: string): Item {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [`${prefix}${key}`, value]));
}

function namesIn(expression: string): Record<string, string> {
  return Object.fromEntries([...expression.matchAll(/#(\w+)/g)].map((match) => [match[0], match[1] as string]));
}
